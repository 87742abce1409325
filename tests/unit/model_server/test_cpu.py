"""How many threads compute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model_server.cpu import physical_cores


@pytest.fixture
def four_threads_on_two_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(siblings + "\n")
    return tmp_path


def test_threads_of_one_core_count_once(four_threads_on_two_cores: Path) -> None:
    assert physical_cores(four_threads_on_two_cores, Path("/nowhere")) == 2


def test_a_containers_limit_goes_before_the_cores(four_threads_on_two_cores: Path, tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"

    quota.write_text("100000 100000\n")
    assert physical_cores(four_threads_on_two_cores, quota) == 1

    quota.write_text("50000 100000\n")
    assert physical_cores(four_threads_on_two_cores, quota) == 1

    quota.write_text("max 100000\n")
    assert physical_cores(four_threads_on_two_cores, quota) == 2


def test_without_a_topology_every_thread_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2}, raising=False)

    assert physical_cores(tmp_path, Path("/nowhere")) == 3
