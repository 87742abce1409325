"""What can be configured, with units in the names. Read by `main.py` alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kit.settings import (
    AuthSettings,
    DatabaseSettings,
    EmbeddingSettings,
    LogSettings,
    ModelSettings,
    RedisSettings,
    settings_config,
)


class Settings(DatabaseSettings, RedisSettings, AuthSettings, ModelSettings, EmbeddingSettings, LogSettings):
    model_config = settings_config("RAG_API_")

    host: str = "127.0.0.1"
    port: int = Field(8082, ge=1, le=65535)
    grace_seconds: int = Field(20, ge=1)
    """How long requests in flight may take after SIGTERM."""

    body_bytes_max: int = Field(524_288, ge=1_024)
    """Larger request bodies are refused with 413."""
    requests_per_minute: int = Field(120, ge=1)
    """For each principal, over all replicas. The next one gets 429."""
    answers_in_flight_max: int = Field(32, ge=1)
    """Answers that this process works on at once. The next one gets 503."""

    database_connections_max: int = Field(10, ge=1)
    database_timeout_seconds: float = Field(30, gt=0)
    """For one statement."""
    redis_timeout_seconds: float = Field(2, gt=0)
    embedding_timeout_seconds: float = Field(30, gt=0)
    model_timeout_seconds: float = Field(120, gt=0)
    """Until the chat model sends its next token."""

    passages_max: int = Field(8, ge=1, le=50)
    """Chunks that are searched for an answer."""
    model_size: Literal["small", "large"] = "small"
    """What the chat model can do; it decides the defaults below. small: like the bundled one. large: 1 billion
    parameters or more. `slipway` says large where another model than the bundled one is chosen."""
    context_tokens_max: int | None = Field(None, ge=50)
    """Passage text in the model's prompt, estimated at 4 characters a token. Default: 200 small, 4000 large."""
    answer_tokens_max: int | None = Field(None, ge=20)
    """What the model may write for one answer. Default: 80 small, 1000 large."""
    evidence_min: float | None = Field(None, ge=0, le=1)
    """The model is asked, and a statement of its believed, if a sentence behind it answers the question with at
    least this probability. Default: 0.4 small, 0.05 large."""
    extraction_min: float | None = Field(None, ge=0, le=1)
    """Where the model proved nothing, sentences are quoted if they answer with at least this probability;
    otherwise the evidence is insufficient. Default: 0.4 small, 0.7 large."""
