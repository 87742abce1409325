"""Where this checkout keeps its state, and the variables that are in force."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from slipway.errors import SlipwayError


@dataclass(frozen=True)
class Config:
    """One checkout's configuration.

    `variables` is the environment, over `.env` in the checkout's root, over the choice of `slipway model use`.
    """

    root: Path
    home: Path
    variables: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        return self.variables.get(name) or default

    def port(self, variable: str, default: int) -> int:
        """Return a port. Errors: SlipwayError if the variable holds none."""
        text = self.get(variable, str(default))
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise SlipwayError(f"{variable} is {text!r}, which is no port number.")
        return int(text)

    def secret(self, name: str) -> str:
        """Return a password of this checkout, made on first use and readable by its owner only."""
        return write_once(self.home / "secrets" / name, secrets.token_urlsafe(24).encode()).decode()


def load_config(environment: Mapping[str, str] | None = None) -> Config:
    """Read the configuration; `environment` is the process's own unless given.

    Errors: SlipwayError if the choice of `slipway model use` cannot be read.
    """
    own = dict(os.environ if environment is None else environment)
    root = _checkout_root()
    file = {name: value for name, value in dotenv_values(root / ".env").items() if value}
    variables = {**file, **own}
    home = root / Path(variables.get("SLIPWAY_HOME") or ".slipway").expanduser()
    variables["SLIPWAY_HOME"] = str(home)
    variables = {**_chosen_model(home, variables), **variables}
    if variables.get("MODEL_BASE_URL") or variables.get("MODEL_SERVER_CHAT_MODEL"):
        variables.setdefault("RAG_API_MODEL_SIZE", "large")  # whoever chooses a model chooses a better one
    return Config(root=root, home=home, variables=variables)


def write_once(path: Path, content: bytes) -> bytes:
    """Write a private file unless it exists; return what it holds. Two writers at once agree on one content."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and not path.stat().st_size:  # the machine went down before the content was on the disk
        path.unlink()
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()


def _checkout_root() -> Path:
    """Return the folder of the workspace that holds this file; where there is none, the current folder."""
    folders = Path(__file__).resolve().parents
    return next((folder for folder in folders if (folder / "uv.lock").exists()), Path.cwd())


def _chosen_model(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that stand for `model.json`, none if the environment names an endpoint itself:
    a key must never go to another endpoint than its own."""
    if variables.get("MODEL_BASE_URL"):
        return {}
    path = home / "model.json"
    try:
        choice = json.loads(path.read_text())
        match choice["kind"]:
            case "gguf":
                return {"MODEL_SERVER_CHAT_MODEL": choice["path"], "MODEL_NAME": choice["model"]}
            case "remote":
                key = variables.get(choice.get("api_key_env") or "", "")
                if choice.get("api_key_file"):
                    key = (home / choice["api_key_file"]).read_text().strip()
                remote = {"MODEL_BASE_URL": choice["base_url"], "MODEL_NAME": choice["model"]}
                return remote | ({"MODEL_API_KEY": key} if key else {})
            case _:
                return {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SlipwayError(
            f"{path} cannot be understood ({error!r}). Choose the model again: slipway model use bundled"
        ) from error
