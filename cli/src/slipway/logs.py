"""The parts' log files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import IO

LOG_BYTES_MAX = 10_000_000
"""A larger log is put aside as NAME.log.1 when its part starts."""
TAIL_BYTES_MAX = 100_000
"""How far back from its end a log is read."""

_START = "--- starts at "


def log_path(home: Path, part: str) -> Path:
    return home / "logs" / f"{part}.log"


def open_log(home: Path, part: str) -> IO[bytes]:
    """Open a part's log for appending, with a line that marks the start."""
    path = log_path(home, part)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
    file = path.open("ab", buffering=0)
    file.write(f"{_START}{datetime.now(UTC).isoformat(timespec='seconds')}\n".encode())
    return file


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log, none if there is no log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES_MAX))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def last_run(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log that were written since the part last started."""
    found = tail(path, lines)
    starts = [number for number, line in enumerate(found) if line.startswith(_START)]
    return found[starts[-1] + 1 :] if starts else found
