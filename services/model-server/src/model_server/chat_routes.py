"""POST /v1/chat/completions."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CollectorRegistry, Histogram

from kit.callers import unless_caller_leaves
from kit.errors import AppError
from model_server import bodies
from model_server.chat_engine import ChatEngine, Chunk
from model_server.chat_requests import ChatRequest
from model_server.completions import collect
from model_server.errors import InvalidRequest
from model_server.serving import Queue, api_router, require_model, token_counter

log = structlog.get_logger()


def chat_router(
    engine: ChatEngine,
    *,
    registry: CollectorRegistry,
    api_key: str,
    queue_max: int,
    timeout_seconds: float,
    system_message: str | None,
) -> APIRouter:
    """Return the routes of a chat model. `system_message` leads requests that have none of their own."""
    router = api_router(api_key=api_key, name=engine.name, context_tokens=engine.context_tokens)
    queue = Queue(engine.slots + queue_max, registry)
    tokens = token_counter(registry)
    first_token = Histogram(
        "model_server_time_to_first_token_seconds", "From the request to its first token", registry=registry
    )

    async def answer(body: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        started = time.perf_counter()
        with queue.place():
            async with aclosing(engine.stream(body, timeout_seconds=timeout_seconds)) as chunks:
                async for chunk in chunks:
                    if started:
                        first_token.observe(time.perf_counter() - started)
                        started = 0
                    if "usage" in chunk:
                        tokens.labels("prompt").inc(chunk["usage"]["prompt_tokens"])
                        tokens.labels("completion").inc(chunk["usage"]["completion_tokens"])
                    yield chunk

    @router.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        asked = await bodies.read(request, ChatRequest)
        require_model(asked.model, engine.name)
        if asked.uses_tools and not engine.supports_tools:
            raise InvalidRequest(
                f"The model `{engine.name}` cannot call tools. `slipway model use` sets one that can.",
                param="tools",
                code="tools_unsupported",
            )
        chunks = answer(asked.engine_body(system_message=system_message))
        if not asked.stream:
            return JSONResponse(await unless_caller_leaves(request, collect(chunks)))
        # The first chunk is awaited here, so that an error before it has its own status.
        first = await unless_caller_leaves(request, anext(chunks))
        return StreamingResponse(
            _events(first, chunks, usage=asked.wants_usage), media_type="text/event-stream"
        )

    return router


async def _events(
    first: Chunk, chunks: AsyncGenerator[Chunk, None], *, usage: bool
) -> AsyncGenerator[bytes, None]:
    """Yield server-sent events that end with [DONE] or with one error."""
    async with aclosing(chunks):
        try:
            yield _event(first)
            async for chunk in chunks:
                if chunk["choices"] or usage:
                    yield _event(chunk)
            yield b"data: [DONE]\n\n"
        except AppError as error:
            log.warning("stream_failed", error=error.detail)
            yield _event(error.openai())


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
