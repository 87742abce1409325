"""Rules that import-linter and ruff cannot see."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / path
    for path in (
        "cli/src",
        "ingest/src",
        "libs/kit/src",
        "migrations/src",
        "services/model-server/src",
        "services/rag-api/src",
    )
]
FILES = sorted(file for source in SOURCES for file in source.rglob("*.py"))

IMPORT_ALL = """
import importlib, socket, sys
def refuse(*_): raise AssertionError("an import opened a socket")
socket.socket.connect = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def _modules(source: Path) -> list[str]:
    names = []
    for file in sorted(source.rglob("*.py")):
        parts = file.relative_to(source).with_suffix("").parts
        if "versions" in parts or parts[-1] in {"__main__", "env"}:
            continue  # run by Alembic or by `python -m`, not imported
        names.append(".".join(part for part in parts if part != "__init__"))
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_importing_needs_no_environment_and_does_nothing(source: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, *_modules(source)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_kit_db_ends_transactions(file: Path) -> None:
    if file.name == "db.py" and file.parent.name == "kit":
        return
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    ending = [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"} and not call.args
    ]
    assert not ending or "migrations" in file.parts


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert not [file for file in FILES if file.stem in empty]
