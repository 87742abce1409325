"""The real command with the real Postgres and Valkey, in homes and on ports of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from slipway import lifecycle
from slipway.checks import check
from slipway.config import Config
from slipway.process import ProcessId, free_port
from slipway.state import State, read_state

pytestmark = pytest.mark.integration

BOTH = ("--only", "postgres,valkey")


class Checkout:
    """A home with ports of its own, and the command that works on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {"POSTGRES_PORT": str(free_port()), "VALKEY_PORT": str(free_port())}
        replaced = {"DATABASE_URL", "REDIS_URL", "SLIPWAY_HOME"}
        inherited = {name: value for name, value in os.environ.items() if name not in replaced}
        self.environment = {**inherited, **self.ports, "SLIPWAY_HOME": str(home)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "slipway", *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def state(self) -> State:
        state = read_state(self.home)
        assert state is not None
        return state

    def processes(self) -> list[ProcessId]:
        return [part.process for part in self.state.parts.values() if part.process]

    def database_url(self) -> str:
        password = (self.home / "secrets" / "postgres").read_text()
        return f"postgresql://slipway:{password}@127.0.0.1:{self.ports['POSTGRES_PORT']}/slipway"


def nothing_runs(checkout: Checkout) -> bool:
    """Tell whether no process on this machine has the checkout's home on its command line."""
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(checkout.home) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            return False
    return True


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "a folder of a long name" / ("x" * 100) / 'with "quotes"')
    yield made
    lifecycle.stop(Config(made.home, made.home, made.environment))
    assert nothing_runs(made)


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_no_password_shows(checkout: Checkout) -> None:
    secrets = [file.read_text() for file in (checkout.home / "secrets").iterdir()]
    shown = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    shown += [log.read_text() for log in (checkout.home / "logs").iterdir()]
    assert len(secrets) == 2
    assert not [secret for secret in secrets for text in shown if secret in text]


async def test_up_twice_status_and_down(checkout: Checkout, redis_url: str) -> None:
    first = checkout.run("up", "--detach", *BOTH)
    assert first.returncode == 0, first.stderr
    connection = await asyncpg.connect(checkout.database_url())
    await connection.execute("CREATE EXTENSION vector")
    assert await connection.fetchval("SHOW jit") == "off"
    await connection.close()
    before = checkout.state
    assert_no_password_shows(checkout)

    second = checkout.run("up", "--detach", *BOTH)
    assert second.returncode == 0
    assert f"running already (pid {before.supervisor.pid})" in second.stdout
    assert checkout.state == before

    status = checkout.run("status", "--json")
    assert status.returncode == 0
    parts = {part["name"]: part for part in json.loads(status.stdout)["parts"]}
    assert {name: (part["status"], part["problem"]) for name, part in parts.items()} == {
        "postgres": ("ready", ""),
        "valkey": ("ready", ""),
    }

    processes = checkout.processes()
    down = checkout.run("down")
    assert down.returncode == 0
    assert "postgres" in down.stdout
    assert not any(process.is_alive() for process in [*processes, before.supervisor])
    assert nothing_runs(checkout)
    await check(redis_url)  # another server of the same program, which this checkout did not start
    assert checkout.run("status").returncode == 1


async def test_what_a_killed_supervisor_left_is_repaired(checkout: Checkout) -> None:
    assert checkout.run("up", "--detach", *BOTH).returncode == 0
    before = checkout.state
    for process in checkout.processes():  # suspended, they do not notice that the supervisor dies
        process.send(signal.SIGSTOP)
    before.supervisor.send(signal.SIGKILL)
    eventually(lambda: not before.supervisor.is_alive())
    assert "left postgres, valkey behind" in checkout.run("status").stdout

    again = checkout.run("up", "--detach", *BOTH)
    assert again.returncode == 0, again.stderr
    assert checkout.state.supervisor != before.supervisor
    connection = await asyncpg.connect(checkout.database_url())
    await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_the_parts_of_a_killed_supervisor_end_with_it(checkout: Checkout) -> None:
    assert checkout.run("up", "--detach", "--only", "valkey").returncode == 0
    processes = checkout.processes()
    checkout.state.supervisor.send(signal.SIGKILL)
    eventually(lambda: not any(process.is_alive() for process in processes))


def test_a_killed_child_comes_back(checkout: Checkout) -> None:
    assert checkout.run("up", "--detach", "--only", "valkey").returncode == 0
    checkout.processes()[0].send(signal.SIGKILL)
    eventually(lambda: checkout.state.parts["valkey"].restarts == 1)
    eventually(lambda: checkout.state.parts["valkey"].status == "ready")
    assert checkout.run("status").returncode == 0


def test_a_taken_port_is_reported_and_nothing_keeps_running(checkout: Checkout) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(checkout.ports["POSTGRES_PORT"])))
        squatter.listen()
        result = checkout.run("up", "--detach", *BOTH)
    assert result.returncode == 1
    port = checkout.ports["POSTGRES_PORT"]
    assert f"postgres cannot start: port {port} is taken by" in result.stderr
    assert f"pid {os.getpid()}" in result.stderr
    assert "POSTGRES_PORT" in result.stderr
    assert nothing_runs(checkout)


def test_a_child_that_dies_in_its_start_is_reported_and_nothing_keeps_running(checkout: Checkout) -> None:
    data = checkout.home / "postgres" / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("9\n")
    result = checkout.run("up", *BOTH)
    assert result.returncode == 1
    assert "postgres ended with exit code 2" in result.stderr
    assert "could not access the server configuration file" in result.stderr
    assert str(checkout.home / "logs" / "postgres.log") in result.stderr
    assert nothing_runs(checkout)


def test_ctrl_c_stops_everything_in_reverse(checkout: Checkout) -> None:
    process = subprocess.Popen(
        checkout.command("up", *BOTH),
        env=checkout.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    eventually(lambda: (state := read_state(checkout.home)) and state.phase == "ready")
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.index("valkey       stopped") < output.index("postgres     stopped")
    assert nothing_runs(checkout)


def test_two_at_once_start_one(checkout: Checkout) -> None:
    command = checkout.command("up", "--detach", "--only", "valkey")
    both = [
        subprocess.Popen(command, env=checkout.environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("running already" in output for output in outputs) == [False, True]


def test_a_part_that_is_elsewhere_is_asked_and_not_started(checkout: Checkout, redis_url: str) -> None:
    result = checkout.run("up", "--only", "valkey", REDIS_URL=redis_url)
    assert result.returncode == 0, result.stderr  # nothing is left to supervise
    assert "(from REDIS_URL)" in result.stdout
    assert checkout.state.parts["valkey"].process is None


def test_parts_that_are_elsewhere_serve_those_that_are_here(
    checkout: Checkout, postgres_server_url: str, redis_url: str
) -> None:
    result = checkout.run(
        "up", "--only", "migrations,valkey", DATABASE_URL=postgres_server_url, REDIS_URL=redis_url
    )
    assert result.returncode == 0, result.stderr
    assert "migrations   done" in result.stdout
    assert str(urlsplit(postgres_server_url).password) not in result.stdout
    assert not (checkout.home / "postgres").exists()


def test_a_part_that_is_elsewhere_and_dead_stops_everything_by_name(checkout: Checkout) -> None:
    address = f"127.0.0.1:{free_port()}/app"
    result = checkout.run("up", *BOTH, DATABASE_URL=f"postgresql://me:hidden@{address}")
    assert result.returncode == 1
    assert f"postgres does not answer at postgresql://me@{address}" in result.stderr
    assert "unset the variable to have postgres started here" in result.stderr
    assert "valkey       stopped" in result.stdout
    assert "hidden" not in result.stdout + result.stderr


def test_a_supervisor_that_dies_while_it_starts_leaves_nothing_in_the_way(checkout: Checkout) -> None:
    command = checkout.command("up", "--detach", *BOTH)
    process = subprocess.Popen(command, env=checkout.environment, stderr=subprocess.PIPE, text=True)
    eventually(lambda: (state := read_state(checkout.home)) and state.phase == "starting")
    checkout.state.supervisor.send(signal.SIGKILL)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "The supervisor was killed" in errors
    again = checkout.run("up", "--detach", *BOTH)
    assert again.returncode == 0, again.stderr


def test_doctor_asks_a_part_that_is_elsewhere(checkout: Checkout) -> None:
    unreachable = f"redis://:secret@127.0.0.1:{free_port()}/0"
    doctor = checkout.run("doctor", "--json", REDIS_URL=unreachable)
    found = {finding["name"]: finding for finding in json.loads(doctor.stdout)["checks"]}
    assert doctor.returncode == 1
    assert not found["valkey: elsewhere"]["ok"]
    assert "secret" not in doctor.stdout
