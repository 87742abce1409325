from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup

from slipway import main
from slipway.errors import SlipwayError

SLOW_TO_IMPORT = {
    "asyncpg",
    "cryptography",
    "httpx",
    "llama_index",
    "numpy",
    "psutil",
    "pydantic",
    "sqlalchemy",
}

HELP_AND_MODULES = """
import sys
from slipway.main import app
app(["--help"], standalone_mode=False)
print(*sys.modules, sep="\\n")
"""


def test_the_help_imports_nothing_that_is_slow() -> None:
    output = subprocess.run(
        [sys.executable, "-c", HELP_AND_MODULES], capture_output=True, text=True, check=True
    ).stdout
    assert all(name in output for name in main.COMMANDS)
    assert not SLOW_TO_IMPORT & set(output.splitlines())


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_exists(name: str) -> None:
    assert isinstance(main.load(name), TyperCommand | TyperGroup)


def test_an_error_is_a_message_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_user: str, *_: object) -> str:
        raise SlipwayError("the way out")

    monkeypatch.setattr(importlib.import_module("slipway.token"), "issue_token", fail)
    monkeypatch.setattr(sys, "argv", ["slipway", "token", "alice"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "slipway: the way out\n"


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit) as caught:
        main.app(["uup"])
    assert caught.value.code == 2


@pytest.mark.parametrize("command", ["up", "doctor", "down"])
def test_a_home_that_cannot_be_written_is_a_message(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "a-file"
    home.write_text("")
    monkeypatch.setenv("SLIPWAY_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["slipway", command])
    with pytest.raises(SystemExit) as caught:
        main.main()
    shown = capsys.readouterr()
    assert caught.value.code == 1
    assert str(home) in (shown.out + shown.err).replace("\n", "")
