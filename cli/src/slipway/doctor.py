"""slipway doctor"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from slipway import failures, postgres
from slipway import parts as table
from slipway.checks import NotReady, check
from slipway.config import Config, load_config
from slipway.errors import SlipwayError
from slipway.parts import Part
from slipway.state import State, read_state

PYTHON_MIN, PYTHON_MAX = (3, 11), (3, 14)
DISK_GB_MIN = 2.0
MEMORY_GB_MIN = 1.5
IMPORT_SECONDS_MAX = 60


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """How to get what is missing."""
    needed: bool = True
    """False: it works without, only worse."""


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check what this machine lacks, and say how to get it. The exit code is 1 if something needed is missing."""
    findings = list(examine(load_config()))
    healthy = all(finding.ok for finding in findings if finding.needed)
    if as_json:
        print(json.dumps({"ok": healthy, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings)
    if not healthy:
        raise typer.Exit(1)


def examine(config: Config) -> Iterator[Finding]:
    """Check everything, one finding at a time. Nothing is changed but for folders in SLIPWAY_HOME."""
    state = read_state(config.home)
    yield _python()
    yield (home := _home(config))
    if not home.ok:
        return
    yield _disk(config)
    yield _memory()
    yield _leftovers(state)
    for part in table.PARTS:
        if table.is_external(part, config):
            yield _reachable(part, config)
            continue
        yield from _modules(part)
        if part.name == "postgres":
            yield _postgres_identity(config)
        if part.port_variable:
            yield _port(part, config, state)
    yield from _chosen_model_file(config)


def _python() -> Finding:
    fits = PYTHON_MIN <= sys.version_info[:2] <= PYTHON_MAX
    wanted = f"{'.'.join(map(str, PYTHON_MIN))} to {'.'.join(map(str, PYTHON_MAX))}"
    return Finding(
        "Python", fits, platform.python_version(), f"Install Python {wanted}, then run `make setup` again."
    )


def _home(config: Config) -> Finding:
    try:
        config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=config.home) as file:
            file.write(bytes(65_536))
    except OSError as error:
        remedy = (
            "Make room and take the right to write there (did root make it?), or set SLIPWAY_HOME elsewhere."
        )
        return Finding("SLIPWAY_HOME", ok=False, detail=str(error), remedy=remedy)
    return Finding("SLIPWAY_HOME", ok=True, detail=str(config.home))


def _disk(config: Config) -> Finding:
    free = shutil.disk_usage(config.home).free / 1e9
    remedy = f"Free {DISK_GB_MIN:.0f} GB, or set SLIPWAY_HOME to a folder on a larger disk."
    return Finding("disk space", free >= DISK_GB_MIN, f"{free:.1f} GB free", remedy)


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 1e9
    remedy = "Close programs, or have the models elsewhere: MODEL_BASE_URL, EMBEDDING_BASE_URL."
    return Finding("memory", free >= MEMORY_GB_MIN, f"{free:.1f} GB available", remedy, needed=False)


def _leftovers(state: State | None) -> Finding:
    supervised = state is not None and state.supervisor.is_alive()
    parts = state.parts.items() if state and not supervised else ()
    orphans = [name for name, part in parts if part.process and part.process.is_alive()]
    detail = f"a killed supervisor left {', '.join(orphans)}" if orphans else "none"
    return Finding(
        "leftovers of a crash",
        not orphans,
        detail,
        "`slipway up` and `slipway down` repair this.",
        needed=False,
    )


def _modules(part: Part) -> Iterator[Finding]:
    """Look for what a part consists of. Programs are loaded, in another process: a wrong build may kill it."""
    try:
        failures.require_modules(part)
    except SlipwayError as error:
        yield Finding(f"{part.name}: packages", ok=False, detail="not installed", remedy=str(error))
        return
    for module in part.modules:
        reason = _import_problem(module)
        remedy = f"Run `uv sync --reinstall`, or run {part.name} elsewhere and set {part.provides}."
        yield Finding(f"{part.name}: {module}", ok=not reason, detail=reason or "loads", remedy=remedy)
    if part.weights:
        yield Finding(f"{part.name}: model files", ok=True, detail=", ".join(part.weights))


def _import_problem(module: str) -> str:
    """Return why a module cannot be imported, nothing if it can."""
    result = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", f"import {module}"],
        capture_output=True,
        text=True,
        timeout=IMPORT_SECONDS_MAX,
        check=False,
    )
    if result.returncode == -signal.SIGILL:
        return (
            f"this CPU lacks instructions that the build uses ({platform.processor() or platform.machine()})"
        )
    if result.returncode < 0:
        return f"loading it ends with {signal.Signals(-result.returncode).name}"
    return result.stderr.strip().splitlines()[-1] if result.returncode else ""


def _postgres_identity(config: Config) -> Finding:
    if os.geteuid() != 0:
        return Finding("postgres: user", ok=True, detail="an ordinary user")
    try:
        place = postgres.find_place(config)
    except SlipwayError as error:
        return Finding("postgres: user", ok=False, detail="root", remedy=str(error))
    return Finding(
        "postgres: user", ok=True, detail=f"root; Postgres runs as {place.identity}, data in {place.folder}"
    )


def _port(part: Part, config: Config, state: State | None) -> Finding:
    name = f"{part.name}: port"
    try:
        port = table.port(part, config)
        own = state.parts.get(part.name) if state else None
        if own and own.process and own.process.is_alive():
            return Finding(name, ok=True, detail=f"{port}, used by this checkout's {part.name}")
        failures.require_port(part, port)
    except SlipwayError as error:
        return Finding(name, ok=False, detail=str(error), remedy=f"Set {part.port_variable} in .env")
    return Finding(name, ok=True, detail=f"{port} is free")


def _reachable(part: Part, config: Config) -> Finding:
    try:
        asyncio.run(check(table.check_url(part, config)))
    except NotReady as error:
        failure = failures.unreachable(part, table.url(part, config), error)
        return Finding(f"{part.name}: elsewhere", ok=False, detail=str(error), remedy=str(failure))
    return Finding(f"{part.name}: elsewhere", ok=True, detail=f"{part.provides} answers")


def _chosen_model_file(config: Config) -> Iterator[Finding]:
    if path := config.get("MODEL_SERVER_CHAT_MODEL"):
        remedy = "Choose the model again: slipway model use …"
        yield Finding("chat model file", Path(path).is_file(), path, remedy)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    for finding in findings:
        mark = "[green]✓[/]" if finding.ok else "[red]✗[/]" if finding.needed else "[yellow]![/]"
        console.print(f"{mark} {finding.name:<36} {finding.detail}", soft_wrap=True)
        if not finding.ok:
            console.print(f"  → {finding.remedy}", soft_wrap=True)
    missing = sum(not finding.ok and finding.needed for finding in findings)
    console.print(
        f"Missing, but needed: {missing} (see ✗)." if missing else "Everything that is needed is there."
    )
