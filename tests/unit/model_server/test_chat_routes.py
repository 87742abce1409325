"""The chat route over an engine that says what the test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kit.errors import AppError
from kit.web import create_app
from model_server.chat_routes import chat_router
from model_server.errors import ContextLengthExceeded, ModelFailed

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"type": "function", "function": {"name": "f"}}


class FakeEngine:
    """Says `words`, then fails with `failure` if there is one; waits for `go` before it says anything."""

    name, slots, context_tokens, supports_tools = "m", 1, 100, False

    def __init__(self, words: list[str], failure: AppError | None = None) -> None:
        self.words, self.failure = words, failure
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        self.bodies: list[dict[str, Any]] = []

    async def stream(
        self, body: dict[str, Any], *, timeout_seconds: float
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.bodies.append(body)
        self.asked.set()
        await self.go.wait()
        for word in self.words:
            yield {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        if self.failure:
            raise self.failure
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": len(self.words)}}


def _client(engine: FakeEngine, *, api_key: str = "", queue_max: int = 1) -> httpx.AsyncClient:
    app: FastAPI = create_app(
        title="test", verifier=None, checks={}, body_bytes_max=4096, openai_paths=("/v1",)
    )
    router = chat_router(
        engine,  # type: ignore[arg-type]  # the parts of an engine that the routes use
        registry=app.state.registry,
        api_key=api_key,
        queue_max=queue_max,
        timeout_seconds=5,
        system_message="You help.",
    )
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def _data(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line]


async def test_an_answer_and_its_tokens_are_counted() -> None:
    async with _client(engine := FakeEngine(["Hi", " there"])) as client:
        answer = (await client.post("/v1/chat/completions", json=BODY)).json()
        metrics = (await client.get("/metrics")).text

    assert answer["choices"][0]["message"]["content"] == "Hi there"
    assert engine.bodies[0]["messages"][0] == {"role": "system", "content": "You help."}
    assert 'model_server_tokens_total{kind="prompt"} 5.0' in metrics
    assert 'model_server_tokens_total{kind="completion"} 2.0' in metrics
    assert "model_server_requests_in_flight 0.0" in metrics


@pytest.mark.parametrize("usage", [True, False])
async def test_a_stream_ends_with_done_and_has_usage_only_if_asked(usage: bool) -> None:
    async with _client(FakeEngine(["Hi"])) as client:
        body = BODY | {"stream": True, "stream_options": {"include_usage": usage}}
        response = await client.post("/v1/chat/completions", json=body)

    events = _data(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    assert ("usage" in json.loads(events[-2])) == usage


async def test_a_stream_that_fails_ends_with_one_error() -> None:
    async with _client(FakeEngine(["Hi"], ModelFailed("It broke."))) as client:
        response = await client.post("/v1/chat/completions", json=BODY | {"stream": True})

    *chunks, last = _data(response.text)
    assert len(chunks) == 1
    assert json.loads(last)["error"] == {
        "message": "It broke.",
        "type": "server_error",
        "param": None,
        "code": "model_error",
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_word_has_its_own_status(stream: bool) -> None:
    failure = ContextLengthExceeded(tokens=120, tokens_max=100, param="messages", what="your messages")
    async with _client(FakeEngine([], failure)) as client:
        response = await client.post("/v1/chat/completions", json=BODY | {"stream": stream})

    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    assert "100 tokens" in error["message"]
    assert "120 tokens" in error["message"]


async def test_one_request_too_many_is_told_to_come_back() -> None:
    engine = FakeEngine(["Hi"])
    engine.go.clear()
    async with _client(engine, queue_max=0) as client:
        first = asyncio.ensure_future(client.post("/v1/chat/completions", json=BODY))
        await engine.asked.wait()
        refused = await client.post("/v1/chat/completions", json=BODY)
        engine.go.set()
        answered = await first
        again = await client.post("/v1/chat/completions", json=BODY)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"]["code"] == "overloaded"
    assert (answered.status_code, again.status_code) == (200, 200)


WRONG_BODIES = {
    "not JSON": (b"{", 400, "malformed_json", None),
    "not an object": (b"[]", 400, "invalid_request", None),
    "too large": (b"[" * 5000, 413, "body_too_large", None),
    "nested too deep": (b"[" * 3000, 400, "malformed_json", None),
    "not UTF-8": (b"\xff", 400, "malformed_json", None),
    "half a character": (json.dumps(BODY).replace("m", "\\ud800").encode(), 400, "malformed_json", None),
    "two answers": (json.dumps(BODY | {"n": 2}).encode(), 400, "invalid_request", "n"),
    "another model": (json.dumps(BODY | {"model": "x"}).encode(), 404, "model_not_found", None),
    "tools": (json.dumps(BODY | {"tools": [TOOL]}).encode(), 400, "tools_unsupported", "tools"),
}


@pytest.mark.parametrize(("content", "status", "code", "param"), WRONG_BODIES.values(), ids=WRONG_BODIES)
async def test_the_callers_mistakes_get_openais_error_object(
    content: bytes, status: int, code: str, param: str | None
) -> None:
    async with _client(FakeEngine(["Hi"])) as client:
        response = await client.post(
            "/v1/chat/completions", content=content, headers={"content-type": "application/json"}
        )

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"


async def test_only_json_is_read() -> None:
    async with _client(FakeEngine(["Hi"])) as client:
        response = await client.post("/v1/chat/completions", data={"model": "m"})

    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


async def test_a_key_is_needed_where_one_is_set() -> None:
    async with _client(FakeEngine(["Hi"]), api_key="sk-1") as client:
        refused = [
            await client.get("/v1/models"),
            await client.get("/v1/models", headers={"authorization": "Bearer sk-2"}),
            await client.post("/v1/chat/completions", content=b"{"),
        ]
        listed = await client.get("/v1/models", headers={"authorization": "Bearer sk-1"})
        live = await client.get("/livez")

    assert [response.json()["error"]["code"] for response in refused] == ["invalid_api_key"] * 3
    assert listed.json()["data"][0]["id"] == "m"
    assert live.status_code == 200


async def test_one_model_is_shown_by_its_name() -> None:
    async with _client(FakeEngine([])) as client:
        assert (await client.get("/v1/models/m")).json()["max_model_len"] == 100
        assert (await client.get("/v1/models/x")).json()["error"]["code"] == "model_not_found"
