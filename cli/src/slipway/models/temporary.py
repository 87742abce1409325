"""A model server for as long as the checks of one model take."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from slipway.config import Config
from slipway.environment import environment
from slipway.errors import SlipwayError
from slipway.models.checks import Endpoint
from slipway.models.choice import Choice
from slipway.process import Command, ProcessId, free_port

START_SECONDS_MAX = 300
"""A model of tens of gigabytes is read from the disk first."""
STOP_SECONDS_MAX = 10
POLL_SECONDS = 0.05
LOG_LINES_SHOWN = 5


@contextmanager
def serve(config: Config, choice: Choice) -> Iterator[Endpoint]:
    """Serve a bundled or GGUF model on a free port until the context ends.

    Errors: SlipwayError with the end of the server's log if it does not start.
    """
    port = free_port()
    variables = environment(config) | {
        "MODEL_SERVER_CHAT_PORT": str(port),
        "MODEL_SERVER_CHAT_SLOTS": "1",
        "MODEL_SERVER_API_KEY": "",
        "MODEL_NAME": choice.model,
    }
    variables.pop("MODEL_SERVER_CHAT_MODEL", None)
    if choice.path:
        variables["MODEL_SERVER_CHAT_MODEL"] = choice.path
    command = Command([sys.executable, "-P", "-m", "model_server", "chat"], config.root)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command.launched(signal.SIGTERM),
            cwd=command.directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if not _becomes_ready(f"http://127.0.0.1:{port}/readyz", process):
                log.seek(0)
                lines = "".join(log.readlines()[-LOG_LINES_SHOWN:]).strip()
                raise SlipwayError(f"The model {choice.model} does not start:\n{lines}")
            yield Endpoint(f"http://127.0.0.1:{port}/v1", choice.model)
        finally:
            if identity := ProcessId.of(process.pid):
                identity.stop(signal.SIGTERM, STOP_SECONDS_MAX)
            process.wait()


def _becomes_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).is_success:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(POLL_SECONDS)
    return False
