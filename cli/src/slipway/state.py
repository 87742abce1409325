"""What runs, on disk: the supervisor writes it, every other command reads it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from slipway.process import ProcessId

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]
Status = Literal["waiting", "starting", "ready", "restarting", "stopping", "stopped", "failed"]


@dataclass(slots=True)
class PartState:
    """One part as the supervisor knows it."""

    status: Status = "waiting"
    external: bool = False
    """It is not ours: a variable says where it is."""
    process: ProcessId | None = None
    seconds: float = 0.0
    """How long the last start took."""
    restarts: int = 0


@dataclass(slots=True)
class State:
    """One run of the supervisor."""

    supervisor: ProcessId
    phase: Phase = "starting"
    error: str = ""
    parts: dict[str, PartState] = field(default_factory=dict)

    def is_supervised(self) -> bool:
        return self.supervisor.is_alive()


def write_state(home: Path, state: State) -> None:
    """Replace the state file; a reader sees the old one or the new one, never a part of it."""
    temporary = home / "state.json.new"
    temporary.write_text(json.dumps(asdict(state), indent=1))
    temporary.replace(home / "state.json")


def read_state(home: Path) -> State | None:
    """Return the last state written, None if there never was one or it cannot be understood."""
    try:
        document = json.loads((home / "state.json").read_text())
        parts = {name: _part_state(part) for name, part in document["parts"].items()}
        return State(ProcessId(**document["supervisor"]), document["phase"], document["error"], parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _part_state(document: dict[str, Any]) -> PartState:
    process = document.pop("process")
    return PartState(**document, process=ProcessId(**process) if process else None)


@contextlib.contextmanager
def supervisor_lock(home: Path) -> Iterator[bool]:
    """Hold the right to supervise this home; False if another process has it.

    The kernel releases it when the holder ends, however it ends.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
