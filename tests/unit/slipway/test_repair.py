from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.process import ProcessId
from slipway.repair import stop_orphans
from slipway.state import PartState, State, read_state, write_state


@pytest.fixture
def orphan() -> Iterator[ProcessId]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    identity = ProcessId.of(process.pid)
    assert identity is not None
    yield identity
    process.kill()
    process.wait()


def crashed(home: Path, part: ProcessId) -> None:
    write_state(
        home, State(ProcessId(os.getpid(), 0), "ready", "", {"valkey": PartState("ready", process=part)})
    )


def test_what_a_killed_supervisor_left_is_stopped(tmp_path: Path, orphan: ProcessId) -> None:
    crashed(tmp_path, orphan)
    assert stop_orphans(tmp_path) == ["valkey"]
    assert not orphan.is_alive()
    state = read_state(tmp_path)
    assert state is not None
    assert (state.phase, state.parts["valkey"].status, state.parts["valkey"].process) == (
        "stopped",
        "stopped",
        None,
    )


def test_a_process_that_took_the_number_over_is_left_alone(tmp_path: Path, orphan: ProcessId) -> None:
    crashed(tmp_path, ProcessId(orphan.pid, orphan.started - 3600))
    assert stop_orphans(tmp_path) == []
    assert orphan.is_alive()


def test_without_a_state_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert stop_orphans(tmp_path) == []
