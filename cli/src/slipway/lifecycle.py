"""Starting and stopping a whole stack: in this process, in the background, or one that runs already."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Container

from rich.console import Console

from slipway.config import Config
from slipway.display import Display
from slipway.errors import SlipwayError
from slipway.logs import SUPERVISOR, last_run, log_path, open_log
from slipway.parts import select
from slipway.process import POLL_SECONDS, ProcessId
from slipway.repair import stop_orphans
from slipway.state import State, read_state, supervisor_lock
from slipway.supervisor import Supervisor

LOCK_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 90.0


def run(config: Config, names: list[str]) -> None:
    """Supervise the named parts (all if none is named) in this process until SIGINT or SIGTERM.

    If they run already, say so. Errors: SlipwayError.
    """
    parts = select(names)
    console = Console(highlight=False)
    while (running := find_running(config)) is None:
        with supervisor_lock(config.home) as mine:
            if not mine:
                continue  # somebody was faster
            _report_orphans(config, console)
            display = Display(config, console, when_ready="Slipway is ready. Ctrl-C stops it.")
            try:
                return asyncio.run(Supervisor(config, parts, display.update).run())
            finally:
                display.close()
    return _join(config, running, names, console)


def start_detached(config: Config, names: list[str]) -> None:
    """Start a supervisor in the background and return when all is ready.

    Errors: SlipwayError if a part failed; then nothing is left running.
    """
    select(names)
    console = Console(highlight=False)
    if running := find_running(config):
        return _join(config, running, names, console)
    arguments = [argument for name in names for argument in ("--only", name)]
    with open_log(config.home, SUPERVISOR) as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "slipway", "up", *arguments],
            cwd=config.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    supervisor = ProcessId.of(process.pid) or ProcessId(process.pid, time.time())
    try:
        state = _follow(config, supervisor, Display(config, console), {"ready", "stopped", "failed"})
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if state is None or state.supervisor.pid != process.pid:  # it ended before it was in charge
        if process.wait() == 0 and (running := find_running(config)):
            return _join(config, running, names, console)
        log_file = log_path(config.home, SUPERVISOR)
        raise SlipwayError(
            "\n".join(["The supervisor ended.", *last_run(log_file, 20), f"Its log: {log_file}"])
        )
    if state.phase != "ready":
        process.wait()
    _raise_failure(config, state)
    console.print("Slipway is ready and runs in the background. `slipway down` stops it.")
    return None


def stop(config: Config) -> None:
    """Stop this home's supervisor with its parts, or what a killed one left. Errors: SlipwayError."""
    console = Console(highlight=False)
    running = find_running(config)
    if running is None:
        with supervisor_lock(config.home):
            if not _report_orphans(config, console):
                console.print("Nothing is running.")
        return
    display = Display(config, console, seen=running)
    running.supervisor.send(signal.SIGTERM)
    _follow(config, running.supervisor, display, until=(), seconds_max=STOP_SECONDS_MAX)
    if running.supervisor.is_alive():
        running.supervisor.stop(signal.SIGKILL, timeout_seconds=5)
        _report_orphans(config, console)
    console.print("Slipway is stopped.")


def find_running(config: Config) -> State | None:
    """Return the state of the supervisor that is in charge of this home, None if there is none.

    Errors: SlipwayError if the lock is held but nobody says by whom.
    """
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while time.monotonic() < deadline:
        with supervisor_lock(config.home) as free:
            if free:
                return None
        state = read_state(config.home)
        if state and state.supervisor.is_alive():
            return state
        time.sleep(POLL_SECONDS)  # it has just begun, or it is about to end
    raise SlipwayError(f"Another process holds {config.home / 'supervisor.lock'}. Try again when it is done.")


def _join(config: Config, running: State, names: list[str], console: Console) -> None:
    """Wait until the supervisor that runs already is ready, and say that it is."""
    missing = [part.name for part in select(names) if part.name not in running.parts]
    if missing:
        raise SlipwayError(
            f"Slipway runs already, without {', '.join(missing)}. Stop it first (slipway down), then start it again."
        )
    display = Display(config, console, seen=running)
    state = _follow(config, running.supervisor, display, {"ready", "stopped", "failed"})
    _raise_failure(config, state or running)
    console.print(f"Slipway is running already (pid {running.supervisor.pid}).")


def _follow(
    config: Config,
    supervisor: ProcessId,
    display: Display,
    until: Container[str],
    seconds_max: float = float("inf"),
) -> State | None:
    """Show what a supervisor in another process does, until it reaches one of these phases or ends."""
    deadline = time.monotonic() + seconds_max
    try:
        while True:
            alive = supervisor.is_alive()
            state = read_state(config.home)
            if state and state.supervisor.pid == supervisor.pid:
                display.update(state)
                if state.phase in until:
                    return state
            if not alive or time.monotonic() > deadline:
                return state
            time.sleep(POLL_SECONDS)
    finally:
        display.close()


def _raise_failure(config: Config, state: State) -> None:
    if state.error:
        raise SlipwayError(state.error)
    if state.phase in ("starting", "stopping"):
        raise SlipwayError(f"The supervisor was killed. Its log: {log_path(config.home, SUPERVISOR)}")


def _report_orphans(config: Config, console: Console) -> bool:
    orphans = stop_orphans(config.home)
    for name in orphans:
        console.print(f"Stopped {name}, which a killed supervisor had left behind.")
    return bool(orphans)
