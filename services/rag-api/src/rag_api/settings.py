"""What can be configured, with units in the names. Read by `main.py` alone."""

from __future__ import annotations

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
    context_tokens_max: int = Field(400, ge=50)
    """Passage text in the model's prompt, estimated at 4 characters a token. Small, because the bundled model
    reads about 200 tokens a second on two cores; give a larger model 4000."""
    answer_tokens_max: int = Field(200, ge=20)
    """What the model may write for one answer. Give a larger model 1000."""
    evidence_min: float = Field(0.45, ge=0, le=1)
    """The model is asked, and a statement of its believed, if the sentence behind it answers the question with at
    least this probability. A large model judges better than the estimate: give it 0.05."""
    extraction_min: float = Field(0.45, ge=0, le=1)
    """Where the model proved nothing, sentences are quoted if they answer with at least this probability;
    otherwise the evidence is insufficient. With a large model 1 trusts its silence."""
