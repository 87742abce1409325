"""What every test may use, and how tests are shared out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = [
    "fixtures.embedded",
    "fixtures.file_server",
    "fixtures.model_servers",
    "fixtures.openai_server",
    "fixtures.stack",
]

# How long an example takes depends on what else the machine does.
settings.register_profile("slipway", deadline=None)
settings.load_profile("slipway")

WITH_STACK = ("tests/e2e/", "tests/evals/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, give a file's tests to one worker, and all tests of the whole stack too: one is enough."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class ByFileAndStack(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return "stack" if nodeid.startswith(WITH_STACK) else str(super()._split_scope(nodeid))

    return ByFileAndStack(config, log)
