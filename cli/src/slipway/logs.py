"""The parts' log files, and `slipway logs`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import typer

LOG_BYTES_MAX = 10_000_000
"""A larger log is put aside as NAME.log.1 when its part starts."""
TAIL_BYTES_MAX = 100_000
"""How far back from its end a log is read."""

FOLLOW_SECONDS = 0.2
SUPERVISOR = "supervisor"
"""The name of the supervisor's own log, where it runs in the background."""

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


def logs(
    part: Annotated[str | None, typer.Argument(help="One part; all if none is named.")] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as the logs grow, until Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines of each.")] = 20,
) -> None:
    """Show the end of the parts' logs."""
    from slipway.config import load_config
    from slipway.parts import PARTS
    from slipway.parts import part as find_part

    home = load_config().home
    names = [SUPERVISOR, *(entry.name for entry in PARTS)]
    if part:
        names = [part if part == SUPERVISOR else find_part(part).name]
    ends = {}
    for name in names:
        path = log_path(home, name)
        ends[name] = path.stat().st_size if path.exists() else 0
        _print_lines(name, tail(path, lines), alone=bool(part))
    while follow:
        time.sleep(FOLLOW_SECONDS)
        for name in names:
            fresh, ends[name] = _read_after(log_path(home, name), ends[name])
            _print_lines(name, fresh, alone=bool(part))


def _read_after(path: Path, end: int) -> tuple[list[str], int]:
    """Return the whole lines that a log has beyond a byte, and where they end. A new log is read from its start."""
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(end if end <= path.stat().st_size else 0)
        fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        return whole.decode(errors="replace").splitlines(), file.tell() - len(fresh) + len(whole)


def _print_lines(name: str, lines: list[str], *, alone: bool) -> None:
    for line in lines:
        print(line if alone else f"{name:<12} {line}", flush=True)
