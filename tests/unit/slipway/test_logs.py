from __future__ import annotations

from pathlib import Path

import pytest

from slipway import logs
from slipway.logs import last_run, log_path, open_log, tail


def write(home: Path, text: str) -> None:
    with open_log(home, "a") as log:
        log.write(text.encode())


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    write(tmp_path, "one\ntwo\nthree\n")
    assert tail(log_path(tmp_path, "a"), 2) == ["two", "three"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert tail(log_path(tmp_path, "a"), 2) == []


def test_the_last_run_is_told_from_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, "old\n")
    write(tmp_path, "new\n")
    assert last_run(log_path(tmp_path, "a"), 10) == ["new"]


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 10)
    write(tmp_path, "a line longer than that\n")
    write(tmp_path, "new\n")
    path = log_path(tmp_path, "a")
    assert "longer" not in path.read_text()
    assert "longer" in path.with_name("a.log.1").read_text()


def test_the_supervisors_own_log_is_shown_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    with open_log(tmp_path, logs.SUPERVISOR) as log:
        log.write(b"it ended\n")
    logs.logs(logs.SUPERVISOR, follow=False, lines=1)
    assert capsys.readouterr().out == "it ended\n"
