from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from slipway.config import Config
from slipway.environment import environment, part_environment
from slipway.parts import part


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path, tmp_path, {"PATH": "/bin", "MODEL_API_KEY": "k1", "LOG_LEVEL": "debug"})


def test_a_part_gets_its_port_and_what_is_no_connection(config: Config) -> None:
    variables = part_environment(config, part("chat-model"))
    assert variables["MODEL_SERVER_CHAT_PORT"] == "8090"
    assert variables["LOG_LEVEL"] == "debug"
    assert variables["PATH"] == "/bin"


@pytest.mark.parametrize("name", ["postgres", "valkey", "chat-model", "embeddings"])
def test_a_part_that_uses_no_connection_gets_no_secret(config: Config, name: str) -> None:
    variables = part_environment(config, part(name))
    assert not {"DATABASE_URL", "REDIS_URL", "MODEL_API_KEY"} & set(variables)


def test_only_migrations_connects_as_the_owner(config: Config) -> None:
    owner = urlsplit(part_environment(config, part("migrations"))["DATABASE_URL"])
    service = urlsplit(part_environment(config, part("rag-api"))["DATABASE_URL"])
    assert owner.username == "slipway"
    assert service.username == "slipway_rag_api"
    assert owner.password != service.password
    assert (owner.port, owner.path) == (service.port, service.path) == (15432, "/slipway")


def test_rag_api_finds_the_models_and_valkey(config: Config) -> None:
    variables = part_environment(config, part("rag-api"))
    assert variables["MODEL_BASE_URL"] == "http://127.0.0.1:8090/v1"
    assert variables["EMBEDDING_BASE_URL"] == "http://127.0.0.1:8091/v1"
    assert variables["MODEL_API_KEY"] == "k1"
    assert variables["REDIS_URL"].endswith("@127.0.0.1:16379/0")


def test_the_development_issuer_is_the_default(config: Config) -> None:
    variables = environment(config)
    assert variables["AUTH_ISSUER"] == "https://slipway.local"
    assert variables["AUTH_AUDIENCE"] == "slipway"
    assert variables["AUTH_JWKS_URL"] == (config.home / "identity" / "jwks.json").as_uri()


def test_another_issuer_is_passed_on(tmp_path: Path) -> None:
    config = Config(
        tmp_path, tmp_path, {"AUTH_JWKS_URL": "https://idp.test/keys", "AUTH_ISSUER": "https://idp.test"}
    )
    variables = environment(config)
    assert variables["AUTH_JWKS_URL"] == "https://idp.test/keys"
    assert variables["AUTH_ISSUER"] == "https://idp.test"
