"""Postgres or Valkey for the length of a `with` block: for tests and benchmarks, beside whatever else runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from slipway import failures
from slipway import parts as table
from slipway.checks import NotReady, check
from slipway.config import Config
from slipway.environment import environment
from slipway.logs import open_log
from slipway.process import POLL_SECONDS, ProcessId, free_port


@contextlib.contextmanager
def serve(name: str, home: Path) -> Iterator[str]:
    """Run the part `name` on a free port with its data in `home`; give its URL (the owner's, for Postgres).

    Errors: PartFailed if it does not start.
    """
    part = table.part(name)
    variables = {key: value for key, value in os.environ.items() if key != part.provides}
    config = Config(home, home, {**variables, part.port_variable: str(free_port())})
    command = part.command(config, table.port(part, config))
    with open_log(home, name) as log:
        process = subprocess.Popen(
            command.launched(part.stop_signal),
            cwd=command.directory,
            env=environment(config),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    identity = ProcessId.of(process.pid) or ProcessId(process.pid, time.time())
    url = table.url(part, config)
    try:
        deadline = time.monotonic() + part.start_seconds_max
        while (problem := _problem(url)) and process.poll() is None:
            if time.monotonic() > deadline:
                raise failures.too_slow(part, home, problem)
            time.sleep(POLL_SECONDS)
        if process.returncode is not None:
            raise failures.died(part, home, process.returncode)
        yield url
    finally:
        identity.stop(part.stop_signal, part.stop_seconds_max)
        process.wait()


def _problem(url: str) -> str:
    try:
        asyncio.run(check(url))
    except NotReady as error:
        return str(error) or "it does not answer"
    return ""
