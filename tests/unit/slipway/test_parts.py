from __future__ import annotations

from pathlib import Path

import pytest

from slipway import parts as table
from slipway.config import Config
from slipway.errors import SlipwayError
from slipway.parts import PARTS


def test_every_part_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for part in PARTS:
        assert set(part.needs) <= seen, part.name
        seen.add(part.name)


def test_no_two_parts_share_a_port_or_a_variable() -> None:
    for values in (
        [part.port_default for part in PARTS if part.port_default],
        [part.port_variable for part in PARTS if part.port_variable],
        [part.provides for part in PARTS if part.provides],
    ):
        assert len(values) == len(set(values))


def test_selecting_a_part_selects_what_it_needs_in_order() -> None:
    names = [part.name for part in table.select(["rag-api"])]
    assert names == ["postgres", "valkey", "migrations", "rag-api"]


def test_selecting_nothing_selects_everything() -> None:
    assert table.select([]) == PARTS


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SlipwayError, match=r"no part 'mysql'.*postgres, valkey"):
        table.select(["mysql"])


def test_a_port_variable_moves_the_part_and_its_url(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path, {"RAG_API_PORT": "9999"})
    assert table.url(table.part("rag-api"), config) == "http://127.0.0.1:9999"
    assert table.check_url(table.part("rag-api"), config) == "http://127.0.0.1:9999/readyz"


@pytest.mark.parametrize("port", ["", "http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused_by_name(tmp_path: Path, port: str) -> None:
    config = Config(tmp_path, tmp_path, {"RAG_API_PORT": port})
    if port == "":  # as if it were not set
        assert table.port(table.part("rag-api"), config) == 8082
        return
    with pytest.raises(SlipwayError, match="RAG_API_PORT"):
        table.port(table.part("rag-api"), config)


def test_a_set_variable_says_that_the_part_is_elsewhere(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path, {"MODEL_BASE_URL": "http://model.test/v1"})
    part = table.part("chat-model")
    assert table.is_external(part, config)
    assert table.check_url(part, config) == "http://model.test/v1"


def test_an_empty_variable_does_not(tmp_path: Path) -> None:
    assert not table.is_external(table.part("valkey"), Config(tmp_path, tmp_path, {"REDIS_URL": ""}))


def test_the_password_in_a_url_is_generated_once(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path, {})
    first = table.url(table.part("postgres"), config)
    assert first == table.url(table.part("postgres"), config)
    assert config.secret("postgres") in first
    assert (tmp_path / "secrets" / "postgres").stat().st_mode & 0o777 == 0o600
