from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway.process import ProcessId
from slipway.state import PartState, State, read_state, supervisor_lock, write_state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = State(
        ProcessId(1, 2.5), "ready", "", {"a": PartState("ready", process=ProcessId(3, 4.5)), "b": PartState()}
    )
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


@pytest.mark.parametrize("text", ["", "{", "null", json.dumps({"supervisor": {"pid": 1}}), '{"parts": [1]}'])
def test_what_cannot_be_understood_counts_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path) is None


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    with supervisor_lock(tmp_path / "home") as first:
        assert first
        with supervisor_lock(tmp_path / "home") as second:
            assert not second
    with supervisor_lock(tmp_path / "home") as third:
        assert third
