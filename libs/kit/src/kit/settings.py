"""Settings that several services read, under one name each. Only a `main.py` builds them.

A service's class mixes in what it needs and adds its own fields, whose variables carry the service's prefix:

    class Settings(DatabaseSettings, AuthSettings):
        model_config = settings_config("RAG_API_")
        port: int = 8082        # RAG_API_PORT
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def settings_config(prefix: str) -> SettingsConfigDict:
    """Return the configuration of a settings class: frozen, from the environment, names prefixed."""
    return SettingsConfigDict(
        env_prefix=prefix, frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True
    )


class SharedSettings(BaseSettings):
    """Base of the mixins below."""

    model_config = settings_config("")


class LogSettings(SharedSettings):
    log_level: str = Field("info", validation_alias="LOG_LEVEL")
    """debug, info, warning or error."""
    log_format: str = Field("json", validation_alias="LOG_FORMAT", pattern="^(json|console)$")
    """json for machines, console for people."""
    otel_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """OTLP/HTTP endpoint for traces. Unset: no tracing, at no cost."""


class DatabaseSettings(SharedSettings):
    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    """postgresql://role:password@host:port/database, with this service's own role."""


class RedisSettings(SharedSettings):
    redis_url: SecretStr = Field(validation_alias="REDIS_URL")
    """redis://:password@host:port/0"""


class AuthSettings(SharedSettings):
    auth_jwks_url: str = Field(validation_alias="AUTH_JWKS_URL")
    """Where the issuer's public keys are: https://… or file:///…"""
    auth_issuer: str = Field("https://slipway.local", validation_alias="AUTH_ISSUER")
    """The `iss` that a token must have."""
    auth_audience: str = Field("slipway", validation_alias="AUTH_AUDIENCE")
    """The `aud` that a token must have."""


class ModelSettings(SharedSettings):
    model_base_url: str = Field("http://127.0.0.1:8090/v1", validation_alias="MODEL_BASE_URL")
    """OpenAI-compatible endpoint of the chat model."""
    model_name: str = Field("smollm2-135m-instruct", validation_alias="MODEL_NAME")
    """The chat model's name at that endpoint."""
    model_api_key: SecretStr = Field(SecretStr(""), validation_alias="MODEL_API_KEY")
    """Bearer key for that endpoint; empty for none."""


class EmbeddingSettings(SharedSettings):
    embedding_base_url: str = Field("http://127.0.0.1:8091/v1", validation_alias="EMBEDDING_BASE_URL")
    """OpenAI-compatible endpoint of the embedding model."""
    embedding_model: str = Field("all-minilm-l6-v2", validation_alias="EMBEDDING_MODEL")
    """The embedding model's name at that endpoint."""
    embedding_api_key: SecretStr = Field(SecretStr(""), validation_alias="EMBEDDING_API_KEY")
    """Bearer key for that endpoint; empty for none."""
