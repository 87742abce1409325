"""slipway status, slipway logs"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from slipway import parts as table
from slipway.checks import NotReady, check
from slipway.config import Config, load_config
from slipway.display import where
from slipway.lifecycle import LOG_NAME
from slipway.logs import log_path, tail
from slipway.state import State, read_state

FOLLOW_SECONDS = 0.2


@dataclass(frozen=True)
class PartReport:
    """One line of `slipway status`."""

    name: str
    status: str
    where: str
    pid: int | None
    up_seconds: float | None
    restarts: int
    problem: str
    """Why it does not answer now; empty if it does, or if it is not running."""


def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs, where, and whether it answers. The exit code is 0 only if all that was started does."""
    config = load_config()
    state = read_state(config.home)
    running = state is not None and state.supervisor.is_alive()
    reports = asyncio.run(_report(config, state)) if state and running else []
    phase = state.phase if state and running else "stopped"
    error = state.error if state else ""
    if as_json:
        parts: list[dict[str, Any]] = [asdict(report) for report in reports]
        print(json.dumps({"phase": phase, "error": error, "home": str(config.home), "parts": parts}, indent=2))
    else:
        _print(config, phase, error, reports, orphans=_orphans(state) if not running else [])
    if phase != "ready" or any(report.problem for report in reports):
        raise typer.Exit(1)


def logs(
    part: Annotated[str | None, typer.Argument(help="One part; all if none is named.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the logs grow, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines of each.")] = 20,
) -> None:
    """Show the end of the parts' logs."""
    config = load_config()
    names = [part] if part else [LOG_NAME, *(entry.name for entry in table.PARTS)]
    if part and part != LOG_NAME:
        table.part(part)
    paths = {name: log_path(config.home, name) for name in names}
    sizes = {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}
    for name, path in paths.items():
        for line in tail(path, lines):
            _print_line(name, line, alone=part is not None)
    while follow:
        time.sleep(FOLLOW_SECONDS)
        for name, path in paths.items():
            size = path.stat().st_size if path.exists() else 0
            with path.open("rb") if size else open("/dev/null", "rb") as file:
                file.seek(sizes[name] if size >= sizes[name] else 0)
                for line in file.read().decode(errors="replace").splitlines():
                    _print_line(name, line, alone=part is not None)
                sizes[name] = size
