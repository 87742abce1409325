from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slipway import config
from slipway.errors import SlipwayError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "_checkout_root", lambda: tmp_path)
    return tmp_path


def choose(root: Path, **choice: str) -> None:
    (root / ".slipway").mkdir(exist_ok=True)
    (root / ".slipway" / "model.json").write_text(json.dumps(choice))


def test_the_environment_wins_over_the_file(root: Path) -> None:
    (root / ".env").write_text("RAG_API_PORT=1000\nVALKEY_PORT='2000'  # a comment\n")
    loaded = config.load_config({"RAG_API_PORT": "3000"})
    assert loaded.get("RAG_API_PORT") == "3000"
    assert loaded.get("VALKEY_PORT") == "2000"


def test_an_empty_line_of_the_file_sets_nothing(root: Path) -> None:
    (root / ".env").write_text("DATABASE_URL=\n")
    assert "DATABASE_URL" not in config.load_config({}).variables


def test_the_home_is_in_the_checkout_unless_named(root: Path) -> None:
    assert config.load_config({}).home == root / ".slipway"
    assert config.load_config({"SLIPWAY_HOME": "other"}).home == root / "other"
    assert config.load_config({"SLIPWAY_HOME": "/elsewhere"}).home == Path("/elsewhere")


def test_a_chosen_file_is_served_by_the_bundled_server(root: Path) -> None:
    choose(root, kind="gguf", path="/models/better.gguf", model="better")
    loaded = config.load_config({})
    assert loaded.get("MODEL_SERVER_CHAT_MODEL") == "/models/better.gguf"
    assert loaded.get("MODEL_NAME") == "better"
    assert not loaded.get("MODEL_BASE_URL")


def test_a_chosen_endpoint_takes_the_key_from_the_named_variable(root: Path) -> None:
    choose(root, kind="remote", base_url="https://models.test/v1", model="big", api_key_env="MY_KEY")
    loaded = config.load_config({"MY_KEY": "k1"})
    assert loaded.get("MODEL_BASE_URL") == "https://models.test/v1"
    assert loaded.get("MODEL_API_KEY") == "k1"


def test_the_key_of_the_chosen_endpoint_is_never_sent_to_another(root: Path) -> None:
    choose(root, kind="remote", base_url="https://models.test/v1", model="big", api_key="k1")
    loaded = config.load_config({"MODEL_BASE_URL": "https://other.test/v1"})
    assert loaded.get("MODEL_BASE_URL") == "https://other.test/v1"
    assert not loaded.get("MODEL_API_KEY")
    assert not loaded.get("MODEL_NAME")


def test_a_chosen_model_is_taken_for_a_large_one_unless_said_otherwise(root: Path) -> None:
    assert not config.load_config({}).get("RAG_API_MODEL_SIZE")
    choose(root, kind="gguf", path="/models/better.gguf", model="better")
    assert config.load_config({}).get("RAG_API_MODEL_SIZE") == "large"
    assert config.load_config({"RAG_API_MODEL_SIZE": "small"}).get("RAG_API_MODEL_SIZE") == "small"


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "remote"}'])
def test_a_broken_choice_is_reported_with_the_way_out(root: Path, text: str) -> None:
    choose(root)
    (root / ".slipway" / "model.json").write_text(text)
    with pytest.raises(SlipwayError, match="slipway model use bundled"):
        config.load_config({})


def test_two_writers_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(lambda n: config.write_once(tmp_path / "s", b"%d" % n), range(32)))
    assert len(set(contents)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_secret_that_a_power_cut_emptied_is_made_anew(root: Path) -> None:
    path = root / "secret"
    path.touch()
    assert config.write_once(path, b"new") == b"new"
    assert config.write_once(path, b"newer") == b"new"
