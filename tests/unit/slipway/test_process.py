from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from slipway.process import ProcessId

SLEEPS = "import time; print(1, flush=True); time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"


@pytest.fixture
def spawn() -> Iterator[Callable[[str], ProcessId]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> ProcessId:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
        )
        processes.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        identity = ProcessId.of(process.pid)
        assert identity is not None
        return identity

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    me = ProcessId.of(os.getpid())
    assert me is not None
    assert me.is_alive()
    assert not replace(me, started=me.started - 60).is_alive()


def test_a_zombie_is_dead(spawn: Callable[[str], ProcessId]) -> None:
    process = spawn("")
    assert eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert not process.is_alive()


def test_a_number_that_nobody_has_is_nobody() -> None:
    assert ProcessId.of(2**22 + 1) is None
    assert not ProcessId(2**22 + 1, 0).is_alive()


def test_stopping_asks_first(spawn: Callable[[str], ProcessId]) -> None:
    process = spawn(SLEEPS)
    assert process.stop(signal.SIGTERM, timeout_seconds=10)
    assert not process.is_alive()


def test_stopping_kills_what_does_not_listen(spawn: Callable[[str], ProcessId]) -> None:
    process = spawn(IGNORES_SIGTERM)
    assert not process.stop(signal.SIGTERM, timeout_seconds=0.1)
    assert not process.is_alive()


def test_stopping_wakes_what_is_suspended(spawn: Callable[[str], ProcessId]) -> None:
    process = spawn(SLEEPS)
    process.send(signal.SIGSTOP)
    assert process.stop(signal.SIGTERM, timeout_seconds=10)


def test_a_stranger_with_the_same_number_is_left_alone(spawn: Callable[[str], ProcessId]) -> None:
    process = spawn(SLEEPS)
    replace(process, started=process.started - 60).stop(signal.SIGKILL, timeout_seconds=1)
    assert process.is_alive()
