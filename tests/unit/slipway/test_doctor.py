from __future__ import annotations

from pathlib import Path

import pytest

from slipway import doctor, postgres
from slipway.config import Config
from slipway.doctor import Finding, examine
from slipway.errors import PartFailed
from slipway.launch import AS_CALLER
from slipway.postgres import Place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither import what is heavy nor look at real ports."""
    monkeypatch.setattr(doctor, "_import_problem", lambda _module: "")
    monkeypatch.setattr("slipway.failures.port_is_taken", lambda _port: False)
    monkeypatch.setattr(postgres, "find_place", lambda _config: Place(AS_CALLER, tmp_path, tmp_path))


def find(config: Config, name: str) -> Finding:
    return next(finding for finding in examine(config) if finding.name == name)


def test_a_good_machine_lacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GB_MIN", 0)
    assert [
        finding for finding in examine(Config(tmp_path, tmp_path, {})) if finding.needed and not finding.ok
    ] == []


def test_a_home_that_cannot_be_written_is_found_first(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    findings = list(examine(Config(tmp_path, home, {})))
    assert [(finding.name, finding.ok) for finding in findings] == [("Python", True), ("SLIPWAY_HOME", False)]


def test_a_taken_port_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.failures.port_is_taken", lambda port: port == 8091)
    monkeypatch.setattr("slipway.failures.port_holder", lambda _port: "nginx (pid 7)")
    finding = find(Config(tmp_path, tmp_path, {}), "embeddings: port")
    assert not finding.ok
    assert "nginx" in finding.detail
    assert "MODEL_SERVER_EMBEDDINGS_PORT" in finding.remedy


def test_a_missing_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def require(part: object) -> None:
        raise PartFailed("run it elsewhere")

    monkeypatch.setattr("slipway.failures.require_modules", require)
    finding = find(Config(tmp_path, tmp_path, {}), "chat-model: packages")
    assert (finding.ok, finding.remedy) == (False, "run it elsewhere")


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GB_MIN", float("inf"))
    assert not find(Config(tmp_path, tmp_path, {}), "disk space").ok


def test_an_unreachable_replacement_is_found(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path, {"REDIS_URL": "memcached://:secret@cache.test"})
    finding = find(config, "valkey: elsewhere")
    assert not finding.ok
    assert "REDIS_URL" in finding.remedy
    assert "secret" not in finding.remedy + finding.detail


def test_a_module_that_kills_the_interpreter_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (tmp_path / "wrong_build.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "CPU lacks" in doctor._import_problem("wrong_build")
    assert "No module named" in doctor._import_problem("no_such_module")
    assert doctor._import_problem("json") == ""
