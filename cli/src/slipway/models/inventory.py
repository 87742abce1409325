"""Which models are here already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx

from model_server.errors import ModelNotLoaded
from model_server.gguf import NotGguf, context_length, read_metadata
from model_server.packaged import CHAT_WEIGHTS, packaged
from slipway.config import Config
from slipway.errors import SlipwayError
from slipway.models.choice import BUNDLED_NAME, Choice, read_choice

OLLAMA = "127.0.0.1:11434"
OLLAMA_TIMEOUT_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Model:
    """A model that `slipway model use` can have at once."""

    name: str
    use: str
    """What to give to `slipway model use`."""
    chosen: bool
    bytes: int | None = None
    context_tokens: int | None = None
    """What it was trained with."""


def models(config: Config) -> list[Model]:
    """Return the bundled model, the downloaded files, Ollama's models if it runs, and the chosen one."""
    choice = read_choice(config.home)
    files = sorted((config.home / "models").glob("*/*.gguf"))
    if choice.path and Path(choice.path) not in files:
        files.append(Path(choice.path))
    found = [_bundled(choice), *(_file(path, choice) for path in files)]
    base_url = ollama_url(config)
    found += [
        Model(name, f"ollama:{name}", (choice.base_url, choice.model) == (base_url, name))
        for name in _ollama_models(base_url)
    ]
    if not any(model.chosen for model in found):
        found.append(Model(choice.model, f"--base-url {choice.base_url} --model {choice.model}", chosen=True))
    return found


def ollama_url(config: Config) -> str:
    """Return Ollama's OpenAI-compatible endpoint; OLLAMA_HOST is Ollama's own variable for its place."""
    host = config.get("OLLAMA_HOST", OLLAMA).rstrip("/")
    return f"{host if '://' in host else f'http://{host}'}/v1"


def with_key(config: Config, choice: Choice) -> tuple[Choice, str]:
    """Return the choice with its key, empty for none.

    Errors: SlipwayError if the key is not where the choice says.
    """
    if choice.api_key_file:
        try:
            return choice, (config.home / choice.api_key_file).read_text().strip()
        except OSError as error:
            raise SlipwayError(f"The key of {choice.model} cannot be read: {error}") from error
    if choice.api_key_env and not config.get(choice.api_key_env):
        raise SlipwayError(
            f"The variable {choice.api_key_env}, which holds the key of {choice.model}, is not set."
        )
    return choice, config.get(choice.api_key_env) if choice.api_key_env else ""


def _bundled(choice: Choice) -> Model:
    try:
        size, context = _facts(packaged(*CHAT_WEIGHTS))
    except ModelNotLoaded as error:
        raise SlipwayError(str(error)) from error
    return Model(BUNDLED_NAME, "bundled", choice.kind == "bundled", size, context)


def _file(path: Path, choice: Choice) -> Model:
    size, context = _facts(path)
    return Model(path.stem.lower(), str(path), choice.path == str(path), size, context)


def _facts(path: Path) -> tuple[int | None, int | None]:
    try:
        return path.stat().st_size, context_length(read_metadata(path))
    except (OSError, NotGguf):
        return None, None


def _ollama_models(base_url: str) -> list[str]:
    try:
        response = httpx.get(f"{base_url}/models", timeout=OLLAMA_TIMEOUT_SECONDS).raise_for_status()
        return sorted(str(model["id"]) for model in response.json()["data"] or [])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return []  # it is not there, which is no error
