"""slipway status"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from slipway import parts as table
from slipway.checks import NotReady, check
from slipway.config import Config, load_config
from slipway.display import where
from slipway.errors import SlipwayError
from slipway.state import PartState, State, read_state


@dataclass(frozen=True)
class PartReport:
    """One line of `slipway status`."""

    name: str
    status: str
    where: str
    pid: int | None
    up_seconds: int | None
    restarts: int
    problem: str
    """Why it does not answer now; empty if it does."""


def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs, where, and whether it answers. The exit code is 0 only if everything does."""
    config = load_config()
    state = read_state(config.home)
    alive = state is not None and state.supervisor.is_alive()
    phase = state.phase if state and alive else "stopped"
    reports = asyncio.run(_report(config, state)) if state and alive else []
    error = state.error if state else ""
    if as_json:
        parts = [asdict(report) for report in reports]
        print(
            json.dumps({"phase": phase, "error": error, "home": str(config.home), "parts": parts}, indent=2)
        )
    elif state and alive:
        _print(state, reports)
    else:
        _print_stopped(state)
    if phase != "ready" or any(report.problem for report in reports):
        raise typer.Exit(1)


async def _report(config: Config, state: State) -> list[PartReport]:
    return await asyncio.gather(*(_report_part(config, name, part) for name, part in state.parts.items()))


async def _report_part(config: Config, name: str, state: PartState) -> PartReport:
    place, problem = "", ""
    try:
        part = table.part(name)
        place = where(part, config)
        if not part.once:
            await check(table.check_url(part, config))
    except (NotReady, SlipwayError) as error:
        problem = str(error)
    process = state.process
    up_seconds = int(time.time() - process.started) if process else None
    return PartReport(
        name, state.status, place, process.pid if process else None, up_seconds, state.restarts, problem
    )


def _print(state: State, reports: list[PartReport]) -> None:
    grid = Table(box=None, pad_edge=False)
    for heading in ("PART", "STATUS", "WHERE", "PID", "UP", "RESTARTS", ""):
        grid.add_column(heading, overflow="fold")
    for report in reports:
        up = "" if report.up_seconds is None else f"{report.up_seconds} s"
        answers = f"[red]{report.problem}[/]" if report.problem else ""
        grid.add_row(
            report.name,
            report.status,
            report.where,
            str(report.pid or ""),
            up,
            str(report.restarts or ""),
            answers,
        )
    console = Console()
    console.print(grid)
    console.print(f"Slipway is {state.phase} (supervisor: pid {state.supervisor.pid}).")


def _print_stopped(state: State | None) -> None:
    print("Slipway is not running. Start it: slipway up")
    if state and state.error:
        print(f"The last run failed: {state.error}")
    orphans = (
        [name for name, part in state.parts.items() if part.process and part.process.is_alive()]
        if state
        else []
    )
    if orphans:
        print(f"A killed supervisor left {', '.join(orphans)} behind; `slipway down` stops that.")
