"""What both processes' routes share: the key, a place in the queue, the model's card."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CollectorRegistry, Counter, Gauge

from kit.errors import Overloaded
from model_server.errors import InvalidApiKey, ModelNotFound

RETRY_AFTER_SECONDS = 2


class Queue:
    """Lets at most `requests_max` requests in; who is in waits inside the engine for its turn."""

    def __init__(self, requests_max: int, registry: CollectorRegistry) -> None:
        self._requests_max = requests_max
        self._requests = 0
        self._gauge = Gauge(
            "model_server_requests_in_flight", "Requests that compute or wait", registry=registry
        )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Errors: Overloaded (503) if there is none."""
        if self._requests >= self._requests_max:
            raise Overloaded(
                f"The model server is busy: {self._requests} requests are running or waiting.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._requests += 1
        self._gauge.set(self._requests)
        try:
            yield
        finally:
            self._requests -= 1
            self._gauge.set(self._requests)


def api_router(*, api_key: str, name: str, context_tokens: int) -> APIRouter:
    """Return a router for /v1 that asks for the key, if there is one, and lists the one model."""

    async def needs_key(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if api_key and not hmac.compare_digest(given.encode(), api_key.encode()):
            raise InvalidApiKey("The API key is missing or wrong: `Authorization: Bearer …`.")

    router = APIRouter(prefix="/v1", dependencies=[Depends(needs_key)])
    card = {
        "id": name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "slipway",
        "max_model_len": context_tokens,
    }

    @router.get("/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @router.get("/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        require_model(model, name)
        return card

    return router


def require_model(asked: str, served: str) -> None:
    """Errors: ModelNotFound (404) unless the names are the same."""
    if asked != served:
        raise ModelNotFound(f"The model `{asked}` does not exist here; this server has `{served}`.")


def token_counter(registry: CollectorRegistry) -> Counter:
    """Return the counter of tokens, by kind: prompt or completion."""
    return Counter("model_server_tokens_total", "Tokens read and written", ["kind"], registry=registry)
