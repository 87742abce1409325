"""The chosen chat model, kept in `model.json` in Slipway's home. `slipway up` reads it (see `slipway.config`)."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from slipway.errors import SlipwayError

BUNDLED_NAME = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class Choice:
    """A chat model. A key is never part of it, only where to find one."""

    kind: Literal["bundled", "gguf", "remote"]
    model: str
    """The name under which it is asked for."""
    path: str = ""
    """gguf: the file."""
    base_url: str = ""
    """remote: the OpenAI-compatible endpoint, with its /v1."""
    api_key_env: str = ""
    """remote: the variable that holds the key."""
    api_key_file: str = ""
    """remote: the private file that holds the key."""


BUNDLED = Choice("bundled", BUNDLED_NAME)


def read_choice(home: Path) -> Choice:
    """Return the choice; the bundled model if there is none.

    Errors: SlipwayError if the file cannot be understood.
    """
    path = home / "model.json"
    try:
        return Choice(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return BUNDLED
    except (OSError, ValueError, TypeError) as error:
        raise SlipwayError(
            f"{path} cannot be understood ({error}). Choose the model again: slipway model use bundled"
        ) from error


def write_choice(home: Path, choice: Choice) -> None:
    """Keep the choice: either the old file or the new one is there at any time."""
    fields = {name: value for name, value in asdict(choice).items() if value}
    write_private(home / "model.json", json.dumps(fields, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
