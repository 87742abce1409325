"""Settings, from variables named MODEL_SERVER_*."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from kit.settings import LogSettings, settings_config

BUNDLED_CHAT_NAME = "smollm2-135m-instruct"
EMBEDDING_NAME = "all-minilm-l6-v2"


class Settings(LogSettings):
    """Both processes read the same class and take what they need."""

    model_config = settings_config("MODEL_SERVER_")

    host: str = "127.0.0.1"
    """Address to listen on."""
    chat_port: int = Field(8090, ge=0, le=65535)
    """Port of `model_server chat`."""
    embeddings_port: int = Field(8091, ge=0, le=65535)
    """Port of `model_server embeddings`."""
    api_key: SecretStr = SecretStr("")
    """If set, /v1 needs `Authorization: Bearer <this>`."""
    threads: int | None = Field(None, ge=1)
    """Threads that compute. Default: the physical cores that this process may use."""
    body_bytes_max: int = Field(8 * 1024 * 1024, ge=1024)
    """Largest request body."""
    request_timeout_seconds: float = Field(600, gt=0)
    """Longest time for one request, waiting included."""
    queue_max: int = Field(32, ge=0)
    """Requests that may wait for their turn; one more gets 503."""

    chat_model: Path | None = None
    """GGUF file of the chat model. Default: the bundled SmolLM2-135M-Instruct."""
    chat_model_name: str | None = Field(None, min_length=1, validation_alias="MODEL_NAME")
    """MODEL_NAME, under which it is served. Default: smollm2-135m-instruct, or the file's name without .gguf."""
    chat_template: Path | None = None
    """Jinja chat template that replaces the GGUF's own."""
    chat_context_tokens: int = Field(8192, ge=256)
    """Prompt and answer together, per request; never more than the model was trained with."""
    chat_slots: int = Field(2, ge=1, le=64)
    """Requests that generate at the same time. Each has memory for a whole context."""
    chat_prompt_cache_mib: int = Field(256, ge=0)
    """Memory for prompts kept from slots that were reused; 0 turns it off."""

    embedding_tokens_max: int = Field(512, ge=8, le=512)
    """Longest input, special tokens included; a longer one gets 400, nothing is truncated."""
    embedding_inputs_max: int = Field(2048, ge=1)
    """Inputs per request."""
