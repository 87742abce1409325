"""The supervisor with parts that are small Python programs: no port, ready as soon as they run."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway import supervisor as module
from slipway.checks import NotReady
from slipway.config import Config
from slipway.errors import PartFailed
from slipway.parts import Part
from slipway.process import Command
from slipway.state import State
from slipway.supervisor import RESTARTS_MAX, Supervisor

SLEEP = "import time; time.sleep(60)"
DIES = "print('no more disk'); raise SystemExit(7)"


@pytest.fixture(autouse=True)
def immediate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(_url: str) -> None:
        pass

    monkeypatch.setattr(module, "check", answers)
    monkeypatch.setattr(module, "BACKOFF_SECONDS_MAX", 0.01)


def python(name: str, code: str, needs: tuple[str, ...] = (), *, once: bool = False) -> Part:
    def command(config: Config, _port: int) -> Command:
        return Command([sys.executable, "-I", "-S", "-c", code], config.root)

    return Part(name, command=command, needs=needs, once=once, start_seconds_max=20)


class Run:
    """A supervisor and the states that it went through."""

    def __init__(self, home: Path, *parts: Part, react: Callable[[State], None] = lambda _: None) -> None:
        self.events: list[tuple[str, str]] = []
        self.processes: list[int] = []
        self._last: State | None = None
        self._react = react
        self.supervisor = Supervisor(Config(home, home, {}), parts, self._note)

    def _note(self, state: State) -> None:
        for name, part in state.parts.items():
            if self._last is None or self._last.parts[name].status != part.status:
                self.events.append((name, part.status))
            if part.process and part.process.pid not in self.processes:
                self.processes.append(part.process.pid)
        self._last = copy.deepcopy(state)
        self._react(state)

    def index(self, name: str, status: str) -> int:
        return self.events.index((name, status))


def stop_when_ready(state: State) -> None:
    if state.phase == "ready":
        os.kill(os.getpid(), signal.SIGTERM)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_parts_start_after_what_they_need_and_stop_in_reverse(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        python("base", SLEEP),
        python("alone", SLEEP),
        python("top", SLEEP, ("base",)),
        react=stop_when_ready,
    )
    asyncio.run(run.supervisor.run())
    assert run.index("base", "ready") < run.index("top", "starting")
    assert run.index("alone", "starting") < run.index("base", "ready")  # side by side
    assert run.index("top", "stopped") < run.index("alone", "stopped") < run.index("base", "stopped")
    assert run.supervisor.state.phase == "stopped"
    assert len(run.processes) == 3
    assert all(gone(pid) for pid in run.processes)


def test_a_part_that_runs_once_is_awaited_to_its_end(tmp_path: Path) -> None:
    marker = tmp_path / "migrated"
    once = python("migrations", f"open({str(marker)!r}, 'w').close()", once=True)
    then = python("service", f"import os; assert os.path.exists({str(marker)!r}); {SLEEP}", ("migrations",))
    run = Run(tmp_path, once, then, react=stop_when_ready)
    asyncio.run(run.supervisor.run())
    assert run.index("migrations", "ready") < run.index("service", "starting")


def test_when_nothing_is_left_to_supervise_it_ends(tmp_path: Path) -> None:
    run = Run(tmp_path, python("migrations", "pass", once=True))
    asyncio.run(run.supervisor.run())
    assert run.supervisor.state.phase == "stopped"


def test_a_child_that_dies_during_its_start_stops_everything_and_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path, python("base", SLEEP), python("broken", DIES, ("base",), once=True))
    with pytest.raises(PartFailed) as caught:
        asyncio.run(run.supervisor.run())
    message = str(caught.value)
    assert "broken ended with exit code 7" in message
    assert "no more disk" in message
    assert str(tmp_path / "logs" / "broken.log") in message
    assert run.supervisor.state.phase == "failed"
    assert run.supervisor.state.error == message
    assert all(gone(pid) for pid in run.processes)


def test_a_child_that_is_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    run = Run(tmp_path, python("broken", "import os; os.kill(os.getpid(), 9)", once=True))
    with pytest.raises(PartFailed, match="broken was killed by SIGKILL"):
        asyncio.run(run.supervisor.run())


def test_a_part_that_does_not_become_ready_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_url: str) -> None:
        raise NotReady("loading the model")

    monkeypatch.setattr(module, "check", refuses)
    slow = Part("slow", command=python("slow", SLEEP).command, start_seconds_max=0.2)
    run = Run(tmp_path, slow)
    with pytest.raises(PartFailed, match=r"slow was not ready after 0 s.*loading the model"):
        asyncio.run(run.supervisor.run())
    assert all(gone(pid) for pid in run.processes)


def test_a_child_that_dies_later_is_started_again(tmp_path: Path) -> None:
    def kill_first(state: State) -> None:
        part = state.parts["service"]
        if state.phase == "ready" and part.process and part.status == "ready":
            os.kill(os.getpid() if part.restarts else part.process.pid, signal.SIGTERM)

    run = Run(tmp_path, python("service", SLEEP), react=kill_first)
    asyncio.run(run.supervisor.run())
    assert run.supervisor.state.parts["service"].restarts == 1
    assert len(run.processes) == 2


def test_a_child_that_dies_again_and_again_stops_everything(tmp_path: Path) -> None:
    def kill(state: State) -> None:
        part = state.parts["service"]
        if part.process and part.status == "ready":
            part.process.send(signal.SIGKILL)

    run = Run(tmp_path, python("other", SLEEP), python("service", SLEEP), react=kill)
    with pytest.raises(PartFailed, match=f"service was started again {RESTARTS_MAX} times.*SIGKILL"):
        asyncio.run(run.supervisor.run())
    assert all(gone(pid) for pid in run.processes)


def test_a_missing_package_is_named_with_what_replaces_it(tmp_path: Path) -> None:
    part = Part(
        "chat-model",
        command=python("x", SLEEP).command,
        modules=("no_such_wheel",),
        provides="MODEL_BASE_URL",
    )
    with pytest.raises(PartFailed, match=r"chat-model needs the package no-such-wheel.*set MODEL_BASE_URL"):
        asyncio.run(Run(tmp_path, part).supervisor.run())


def test_a_port_that_is_taken_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.failures.port_is_taken", lambda port: port == 8082)
    monkeypatch.setattr("slipway.failures.port_holder", lambda _port: "nginx (pid 7)")
    part = Part(
        "rag-api", command=python("x", SLEEP).command, port_variable="RAG_API_PORT", port_default=8082
    )
    with pytest.raises(PartFailed, match=r"rag-api.*8082 is taken by nginx \(pid 7\).*RAG_API_PORT"):
        asyncio.run(Run(tmp_path, part).supervisor.run())


def test_a_replaced_part_is_not_started_but_must_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_url: str) -> None:
        raise NotReady("connection refused")

    monkeypatch.setattr(module, "check", refuses)
    monkeypatch.setattr(module, "EXTERNAL_SECONDS_MAX", 0.1)
    part = Part("postgres", command=python("x", DIES).command, provides="DATABASE_URL")
    config = Config(tmp_path, tmp_path, {"DATABASE_URL": "postgresql://me:secret@db.test/app"})
    supervisor = Supervisor(config, (part,), lambda _: None)
    with pytest.raises(PartFailed) as caught:
        asyncio.run(supervisor.run())
    assert "connection refused" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_on_a_disk_that_fills_up_the_parts_are_still_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_home: Path, _state: State) -> None:
        raise OSError(28, "No space left on device")

    def fill_and_stop(state: State) -> None:
        monkeypatch.setattr(module, "write_state", full)
        stop_when_ready(state)

    run = Run(tmp_path, python("service", SLEEP), react=fill_and_stop)
    asyncio.run(run.supervisor.run())
    assert run.processes
    assert all(gone(pid) for pid in run.processes)


def test_on_a_full_disk_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").mkdir()  # the state cannot be written
    run = Run(tmp_path, python("service", SLEEP))
    with pytest.raises(OSError, match=r"state\.json\.new"):
        asyncio.run(run.supervisor.run())
    assert not run.events


def test_without_anybody_to_tell_the_parts_are_still_stopped(tmp_path: Path) -> None:
    def close_the_terminal(state: State) -> None:
        stop_when_ready(state)
        raise BrokenPipeError

    run = Run(tmp_path, python("service", SLEEP), react=close_the_terminal)
    asyncio.run(run.supervisor.run())
    assert run.supervisor.state.phase == "stopped"
    assert run.processes
    assert all(gone(pid) for pid in run.processes)
