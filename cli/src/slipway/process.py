"""Processes: start one, know it again later, stop it, and find who holds a port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from slipway import launch

SAME_START_SECONDS = 2.0
"""Two readings of one process's start time may differ by this much: the kernel gives it relative to the
boot time, and an adjustment of the clock moves that."""

POLL_SECONDS = 0.02
KILL_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: absolute path and arguments, the identity it takes on, its working directory."""

    arguments: Sequence[str]
    directory: Path
    identity: str = launch.AS_CALLER
    environment: Mapping[str, str] = field(default_factory=dict)

    def launched(self, death_signal: signal.Signals) -> list[str]:
        """Return the command line that runs this through `launch.py`."""
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(death_signal))]
        return [*launcher, self.identity, *self.arguments]


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process: its number alone is not enough, numbers are given out again."""

    pid: int
    started: float
    """Seconds since the epoch."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of the process that has this number now, None if there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs. A zombie does not: it waits for a parent to notice."""
        try:
            process = psutil.Process(self.pid)
            drift: float = abs(process.create_time() - self.started)
            return bool(drift < SAME_START_SECONDS and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, number: signal.Signals, timeout_seconds: float) -> bool:
        """Ask the process to stop; after `timeout_seconds` kill it and its group. Return False if it had to be
        killed."""
        self.send(number)
        self.send(signal.SIGCONT)  # a suspended process does not see the other one
        if self._wait(timeout_seconds):
            return True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.send(signal.SIGKILL)
        self._wait(KILL_SECONDS_MAX)
        return False

    def _wait(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


async def start(
    command: Command, *, environment: Mapping[str, str], log: IO[bytes], death_signal: signal.Signals
) -> asyncio.subprocess.Process:
    """Start a command in a session of its own, so that Ctrl-C in the terminal reaches only the supervisor."""
    return await asyncio.create_subprocess_exec(
        *command.launched(death_signal),
        cwd=command.directory,
        env={**environment, **command.environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing holds at this moment.

    It is below those from which systems give outgoing connections theirs (32768 on Linux, 49152 elsewhere), so that
    no connection takes it before a server does.
    """
    while port_is_taken(port := random.randrange(20_000, 32_768)):  # noqa: S311 - no secret
        pass
    return port


def port_is_taken(port: int) -> bool:
    """Tell whether something listens on 127.0.0.1:port, or would keep us from listening there."""
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def port_holder(port: int) -> str:
    """Name the process that listens on a port, or say that it cannot be found."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:  # macOS shows other users' connections to root only
        pass
    return "a process that cannot be seen from here (it may be another user's)"
