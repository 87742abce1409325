"""POST /v1/embeddings."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, Field

from kit.callers import unless_caller_leaves
from model_server import bodies
from model_server.embedding_engine import DIMENSIONS, EmbeddingEngine, Vectors
from model_server.errors import InvalidRequest, RequestTimedOut
from model_server.serving import (
    Queue,
    api_router,
    require_model,
    token_counter,
)

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingRequest(BaseModel):
    """The body. `input` is a text, texts, one text's token ids, or several texts' token ids."""

    model_config = ConfigDict(strict=True, extra="ignore")

    model: str
    input: Text | Annotated[list[Text] | Tokens | list[Tokens], Field(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None

    @property
    def inputs(self) -> list[str] | list[list[int]]:
        """The inputs, one or several, as a list."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [self.input]
        return self.input


def embedding_router(
    engine: EmbeddingEngine,
    *,
    name: str,
    registry: CollectorRegistry,
    api_key: str,
    queue_max: int,
    inputs_max: int,
    timeout_seconds: float,
) -> APIRouter:
    """Return the routes of an embedding model."""
    router = api_router(api_key=api_key, name=name, context_tokens=engine.tokens_max)
    queue = Queue(1 + queue_max, registry)
    tokens = token_counter(registry)

    async def embed(asked: EmbeddingRequest) -> dict[str, Any]:
        try:
            with queue.place():
                async with asyncio.timeout(timeout_seconds):
                    ids = await engine.tokenise(asked.inputs)
                    vectors = await engine.embed(ids)
        except TimeoutError as error:
            raise RequestTimedOut(
                f"The embeddings took longer than {timeout_seconds:g} seconds; send fewer inputs at once."
            ) from error
        count = sum(len(text) for text in ids)
        tokens.labels("prompt").inc(count)
        return {
            "object": "list",
            "data": _rows(vectors, as_base64=asked.encoding_format == "base64"),
            "model": name,
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }

    @router.post("/embeddings")
    async def embeddings(request: Request) -> Response:
        asked = await bodies.read(request, EmbeddingRequest)
        require_model(asked.model, name)
        if asked.dimensions not in {None, DIMENSIONS}:
            raise InvalidRequest(
                f"`{name}` has {DIMENSIONS} dimensions and cannot be shortened.", param="dimensions"
            )
        if len(asked.inputs) > inputs_max:
            raise InvalidRequest(
                f"{len(asked.inputs)} inputs are more than the {inputs_max} that one request may have.",
                param="input",
            )
        return JSONResponse(await unless_caller_leaves(request, embed(asked)))

    return router


def _rows(vectors: Vectors, *, as_base64: bool) -> list[dict[str, Any]]:
    values: list[Any] = vectors.tolist() if not as_base64 else [_base64(vector) for vector in vectors]
    return [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(values)]


def _base64(vector: Vectors) -> str:
    """Return the vector as base64 of little-endian float32, as OpenAI's clients read it."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
