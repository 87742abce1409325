"""What can be set from the environment. Only `main` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from kit.settings import DatabaseSettings, EmbeddingSettings, settings_config


class Settings(DatabaseSettings, EmbeddingSettings):
    """Variables with the prefix INGEST_, and the shared ones."""

    model_config = settings_config("INGEST_")

    document_bytes_max: int = Field(50 * 1024 * 1024, gt=0)
    """A larger document is reported and left out."""
    chunk_tokens_max: int = Field(200, ge=16)
    """Estimated tokens in a chunk. With its heading it must fit the embedding model (MiniLM: 256)."""
    chunk_overlap_tokens: int = Field(30, ge=0)
    """How much of a chunk its successor repeats, in whole sentences."""
    batch_chunks: int = Field(256, gt=0)
    """Chunks in one transaction, roughly."""
    reads_at_once: int = Field(4, gt=0)
    """Documents that are read at the same time, by as many processes as there are processors."""
    read_seconds_max: int = Field(60, gt=0)
    """For turning one document into text. One that takes longer is reported and left out."""
    read_memory_bytes_max: int = Field(2 * 1024**3, gt=0)
    """For turning one document into text. One that takes more is reported and left out."""
    embedding_batch_texts: int = Field(32, gt=0)
    """Texts in one request to the embedding model."""
    embedding_requests_at_once: int = Field(2, gt=0)
    embedding_retry_seconds_max: float = Field(60, ge=0)
    """How long an embedding model that is down is asked again."""
    embedding_timeout_seconds: float = Field(120, gt=0)
    lock_timeout_seconds: float = Field(600, ge=0)
    """How long a run waits for another one on the same collection."""
    statement_timeout_seconds: float = Field(600, gt=0)
    index_timeout_seconds: float = Field(3600, gt=0)
    """For building a vector index, which is done once for each embedding model."""
    web_pages_max: int = Field(1000, gt=0)
    """Pages of one sitemap or index page."""
    web_timeout_seconds: float = Field(60, gt=0)
    """For one page, from the request to its last byte."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that these variables hold. Errors: pydantic.ValidationError."""
        names = {
            name: str(field.validation_alias or f"INGEST_{name}".upper())
            for name, field in cls.model_fields.items()
        }
        return cls.model_validate(
            {name: environment[variable] for name, variable in names.items() if environment.get(variable)}
        )
