"""Every variable that is read stands in .env.example, with its default and its meaning."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from slipway.parts import PARTS

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
LISTED = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)
SOURCES = ("cli", "ingest", "libs", "migrations", "services")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("env_example", ROOT / "docs/env_example.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read_by_name(file: Path) -> set[str]:
    """Return the variables that a file asks an environment for: `….get("NAME")`, `environ["NAME"]`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        argument: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            argument = node.args[0] if node.func.attr in {"get", "getenv"} else None
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and "environ" in ast.unparse(node.value)
        ):
            argument = node.slice
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            names.add(argument.value)
    return {name for name in names if re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", name)}


def test_the_example_is_what_the_settings_say() -> None:
    assert _generator().render() == EXAMPLE, "run `make env-example`"


def test_each_variable_is_listed_once() -> None:
    assert sorted(LISTED) == sorted(set(LISTED))


@pytest.mark.parametrize("source", SOURCES)
def test_every_variable_that_code_reads_by_name_is_listed(source: str) -> None:
    files = [file for file in (ROOT / source).rglob("*.py") if ".venv" not in file.parts]
    assert files
    assert not {name for file in files for name in _read_by_name(file)} - set(LISTED)


def test_every_port_and_connection_of_a_part_is_listed() -> None:
    assert {name for part in PARTS for name in (part.port_variable, part.provides) if name} <= set(LISTED)


def test_a_name_with_a_number_says_its_unit() -> None:
    units = ("_SECONDS", "_BYTES", "_TOKENS", "_MIB", "_PORT", "_MAX", "_MIN", "_PER_MINUTE")
    counted = re.findall(r"^# ([A-Z][A-Z0-9_]+)=\d+(?:\.\d+)?$", EXAMPLE, re.MULTILINE)
    plain = {"INGEST_BATCH_CHUNKS", "INGEST_EMBEDDING_BATCH_TEXTS", "INGEST_READS_AT_ONCE"}
    plain |= {"INGEST_EMBEDDING_REQUESTS_AT_ONCE", "MODEL_SERVER_CHAT_SLOTS"}
    assert not [name for name in counted if not name.endswith(units) and name not in plain]
