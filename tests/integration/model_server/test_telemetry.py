"""No library of the model server reports to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EMBED = """
import asyncio
from model_server.embedding_engine import EmbeddingEngine
engine = EmbeddingEngine(threads=1)
asyncio.run(engine.embed(asyncio.run(engine.tokenise(["a"]))))
"""


def test_onnx_runtime_keeps_no_telemetry(tmp_path: Path) -> None:
    # It is silent where it sees CI, so the variable must not be there. What it would send it first stores here.
    subprocess.run(
        [sys.executable, "-c", EMBED],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=True,
        timeout=60,
    )
    assert not list(tmp_path.iterdir())
