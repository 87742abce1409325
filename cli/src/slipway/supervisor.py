"""Starts the parts, keeps them running, and stops them in reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from slipway import failures
from slipway import parts as table
from slipway.checks import NotReady, check
from slipway.config import Config
from slipway.environment import part_environment
from slipway.errors import PartFailed, SlipwayError
from slipway.logs import open_log
from slipway.parts import Part
from slipway.process import ProcessId, start
from slipway.state import PartState, State, Status, write_state

RESTARTS_MAX = 5
"""A part that dies more often within RESTART_WINDOW_SECONDS stops everything."""
RESTART_WINDOW_SECONDS = 60.0
BACKOFF_SECONDS_MAX = 5.0
EXTERNAL_SECONDS_MAX = 10.0
"""How long a part that is elsewhere may take to answer."""
POLL_SECONDS = 0.05

Process = asyncio.subprocess.Process
Result = TypeVar("Result")


class Supervisor:
    """One run of some parts. `on_change` is called with the state after each change of it."""

    def __init__(self, config: Config, parts: tuple[Part, ...], on_change: Callable[[State], None]) -> None:
        self._config = config
        self._parts = parts
        self._on_change = on_change
        self._ready = {part.name: asyncio.Event() for part in parts}
        me = ProcessId(os.getpid(), time.time())
        self.state = State(ProcessId.of(me.pid) or me, parts={part.name: PartState() for part in parts})

    async def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP, or until nothing is left to supervise.

        Errors: SlipwayError if a part failed. However it ends, nothing is left running.
        """
        write_state(self._config.home, self.state)  # or it fails before anything has begun
        tasks = [asyncio.create_task(self._run_part(part)) for part in self._parts]
        all_tasks = asyncio.gather(*tasks)
        _on_stop_signal(all_tasks.cancel)
        try:
            await all_tasks
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.state.error = str(error) or repr(error)
            raise
        finally:
            _on_stop_signal(lambda: None)  # it stops already
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()

    async def _run_part(self, part: Part) -> None:
        """Start a part when all that it needs is ready, and start it again whenever it dies."""
        for need in part.needs:
            await self._ready[need].wait()
        if table.is_external(part, self._config):
            return await self._await_external(part)
        deaths: deque[float] = deque()
        while True:
            try:
                process = await self._start(part)
                if part.once:
                    return None
                code = await process.wait()
                self.state.parts[part.name].process = None
                failure = failures.died(part, self._config.home, code)
            except PartFailed as error:
                if not self._ready[part.name].is_set():
                    raise
                failure = error
            await self._back_off(part, deaths, failure)

    async def _back_off(self, part: Part, deaths: deque[float], failure: PartFailed) -> None:
        """Wait a little longer after each death. Errors: PartFailed if there were too many."""
        deaths.append(time.monotonic())
        while deaths[0] < deaths[-1] - RESTART_WINDOW_SECONDS:
            deaths.popleft()
        if len(deaths) > RESTARTS_MAX:
            self._set(part, "failed")
            raise PartFailed(f"{part.name} was started again {RESTARTS_MAX} times within a minute. {failure}")
        self.state.parts[part.name].restarts += 1
        self._set(part, "restarting")
        await asyncio.sleep(min(0.05 * 2 ** len(deaths), BACKOFF_SECONDS_MAX))

    async def _await_external(self, part: Part) -> None:
        self.state.parts[part.name].external = True
        self._set(part, "starting")
        began = time.monotonic()
        url = table.url(part, self._config)
        try:
            await _until_ready(url, EXTERNAL_SECONDS_MAX)
        except NotReady as error:
            self._set(part, "failed")
            raise failures.unreachable(part, url, error) from error
        self._set_ready(part, began)

    async def _start(self, part: Part) -> Process:
        """Start a part and wait until it is ready. Errors: PartFailed."""
        self._set(part, "starting")
        began = time.monotonic()
        try:
            process = await self._spawn(part)
            await self._until_started(part, process)
        except PartFailed:
            self._set(part, "failed")
            raise
        self._set_ready(part, began)
        return process

    async def _spawn(self, part: Part) -> Process:
        port = table.port(part, self._config)
        failures.require_modules(part)
        failures.require_port(part, port)
        try:
            command = await _in_thread(lambda: part.command(self._config, port))
            variables = await _in_thread(lambda: part_environment(self._config, part))
            with open_log(self._config.home, part.name) as log:
                process = await start(command, environment=variables, log=log, death_signal=part.stop_signal)
        except (SlipwayError, OSError) as error:
            raise PartFailed(f"{part.name} cannot be started. {error}") from error
        self.state.parts[part.name].process = ProcessId.of(process.pid)
        self._changed()
        return process

    async def _until_started(self, part: Part, process: Process) -> None:
        """Wait until the part answers or, if it is to run once, until it has ended well."""
        ended = asyncio.create_task(process.wait())
        tasks: set[asyncio.Task[Any]] = {ended}
        if not part.once:
            url = table.check_url(part, self._config)
            tasks.add(answers := asyncio.create_task(_until_ready(url, part.start_seconds_max)))
        try:
            await asyncio.wait(tasks, timeout=part.start_seconds_max, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                self.state.parts[part.name].process = None
                if not part.once or ended.result() != 0:
                    raise failures.died(part, self._config.home, ended.result())
            elif part.once:
                raise failures.too_slow(part, self._config.home, "it has not ended")
            else:
                await answers
        except NotReady as error:
            raise failures.too_slow(part, self._config.home, str(error)) from error
        finally:
            for task in tasks:
                task.cancel()

    async def _stop_all(self) -> None:
        self.state.phase = "stopping"
        self._changed()
        for part in reversed(self._parts):
            state = self.state.parts[part.name]
            if state.process:
                self._set(part, "stopping")
                await asyncio.to_thread(state.process.stop, part.stop_signal, part.stop_seconds_max)
                state.process = None
                self._set(part, "stopped")
        self.state.phase = "failed" if self.state.error else "stopped"
        self._changed()

    def _set(self, part: Part, status: Status) -> None:
        self.state.parts[part.name].status = status
        self._changed()

    def _set_ready(self, part: Part, began: float) -> None:
        self.state.parts[part.name].seconds = time.monotonic() - began
        self._ready[part.name].set()
        if all(event.is_set() for event in self._ready.values()):
            self.state.phase = "ready"
        self._set(part, "ready")

    def _changed(self) -> None:
        # Whatever a full disk or a closed terminal does, the parts must be kept, and stopped at the end.
        with suppress(OSError):
            write_state(self._config.home, self.state)
        with suppress(OSError):
            self._on_change(self.state)


async def _in_thread(function: Callable[[], Result]) -> Result:
    """Run a function beside the loop. A cancellation waits until it has returned: it may have started a program."""
    task = asyncio.create_task(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _until_ready(url: str, seconds_max: float) -> None:
    """Ask again and again. Errors: NotReady, with the last reason, when the time is over."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        with suppress(NotReady):
            return await check(url)
        await asyncio.sleep(POLL_SECONDS)
    return await check(url)


def _on_stop_signal(action: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, action)
