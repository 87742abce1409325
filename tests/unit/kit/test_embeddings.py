from __future__ import annotations

import base64
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from kit.embeddings import (
    EmbeddingClient,
    EmbeddingsMisbehaved,
    EmbeddingsUnavailable,
    TextTooLong,
)

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> EmbeddingClient:
    return EmbeddingClient(
        base_url="http://e/v1/", model="m", api_key="k", transport=httpx.MockTransport(handler)
    )


def answering(data: object) -> Handler:
    return lambda _: httpx.Response(200, json={"data": data})


async def test_vectors_come_in_the_order_of_the_texts_and_have_length_one() -> None:
    packed = base64.b64encode(np.array([3, 4], dtype="<f4").tobytes()).decode()
    rows = [{"index": 1, "embedding": [0.0, 2.0]}, {"index": 0, "embedding": packed}]
    vectors = await client(answering(rows)).embed(["a", "b"])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, np.array([[0.6, 0.8], [0, 1]]), rtol=1e-6)


async def test_the_request_names_the_model_and_carries_the_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": [{"index": 0, "embedding": [1.0]}]})

    await client(handler).embed(["a"], model="other")
    assert str(seen[0].url) == "http://e/v1/embeddings"
    assert seen[0].headers["authorization"] == "Bearer k"
    assert json.loads(seen[0].content) == {"model": "other", "input": ["a"], "encoding_format": "base64"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_or_broken_server_is_an_outage(status: int) -> None:
    with pytest.raises(EmbeddingsUnavailable) as caught:
        await client(lambda _: httpx.Response(status)).embed(["a"])
    assert caught.value.retry_after_seconds


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(EmbeddingsUnavailable, match="http://e/v1/embeddings"):
        await client(handler).embed(["a"])


async def test_too_long_a_text_is_named_as_such() -> None:
    error = {"error": {"code": "context_length_exceeded", "message": "too long"}}
    with pytest.raises(TextTooLong):
        await client(lambda _: httpx.Response(400, json=error)).embed(["a"])


@pytest.mark.parametrize(
    "handler",
    [
        lambda _: httpx.Response(200, text="not json"),
        lambda _: httpx.Response(200, json={"rows": []}),
        answering([{"index": 0, "embedding": "!!!"}]),
        answering([]),
        answering([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]),
        lambda _: httpx.Response(401, text="no"),
    ],
)
async def test_nonsense_is_not_taken_for_an_embedding(handler: Handler) -> None:
    with pytest.raises(EmbeddingsMisbehaved):
        await client(handler).embed(["a"])
