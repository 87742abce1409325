"""HTTP: shapes, streams, refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import httpx
import openai
import pytest

from fakes.answers import FakeIndex, FakeLimiter, FakeWriter
from kit.db import DatabaseUnavailable
from kit.embeddings import EmbeddingsUnavailable
from kit.errors import AppError, Unauthenticated
from kit.identity import TokenVerifier
from kit.principal import Principal
from kit.web import create_app
from rag_api.adapters.llamaindex import ModelUnavailable
from rag_api.adapters.valkey import RedisUnavailable
from rag_api.core.answer import INSUFFICIENT, Answerer
from rag_api.core.limits import Room, TooManyRequests
from rag_api.main import OPENAI_PATHS
from rag_api.routes import Services, create_router

from .conftest import ALICE, BANDS, BOB, EVE, LEAVE

QUESTION = "How many days of paid vacation do employees receive?"
QUOTE = "Full-time employees receive 25 days of paid vacation."
MODEL_SAYS = json.dumps(
    {"statements": [{"source": 1, "quote": QUOTE, "text": "Employees receive 25 days of paid vacation."}]}
)
CHAT = {"model": "rag", "messages": [{"role": "user", "content": QUESTION}]}


class NamesAsTokens:
    """Takes a user's name for a token."""

    async def verify(self, token: str) -> Principal:
        for principal in (ALICE, BOB, EVE):
            if principal.subject == token:
                return principal
        raise Unauthenticated("no such token")


@pytest.fixture
def limiter() -> FakeLimiter:
    return FakeLimiter()


@pytest.fixture
def room() -> Room:
    return Room(4)


@pytest.fixture
async def client(
    answerer: Answerer, index: FakeIndex, limiter: FakeLimiter, room: Room
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        title="test",
        verifier=cast("TokenVerifier", NamesAsTokens()),
        checks={},
        body_bytes_max=100_000,
        openai_paths=OPENAI_PATHS,
    )
    app.include_router(create_router(Services(answerer, index, limiter, room)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"authorization": "Bearer alice"}
    ) as client:
        yield client


def events(text: str) -> list[tuple[str, Any]]:
    """Parse an event stream."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        found.append((fields.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


async def test_search_gives_hits_with_exact_offsets(client: httpx.AsyncClient) -> None:
    body = (await client.post("/v1/search", json={"query": QUESTION})).json()
    hit = body["hits"][0]
    assert hit["document"]["path"] == LEAVE.path
    assert LEAVE.text[hit["start"] : hit["end"]] == hit["text"]
    assert "total" not in hit
    assert body["timings_ms"]


async def test_an_answer_comes_whole_or_as_events_with_the_same_content(
    client: httpx.AsyncClient, writer: FakeWriter
) -> None:
    writer.text = MODEL_SAYS
    whole = (await client.post("/v1/answer", json={"question": QUESTION})).json()
    response = await client.post("/v1/answer", json={"question": QUESTION, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    streamed = events(response.text)
    assert [name for name, _ in streamed] == ["statement", "done"]
    for body in (whole, streamed[-1][1]):
        assert body["answer"] == "Employees receive 25 days of paid vacation. [1]"
        assert body["citations"][0]["quote"] == QUOTE
    assert streamed[0][1]["citations"] == whole["citations"]


async def test_a_failure_in_the_middle_of_a_stream_is_its_last_event(
    client: httpx.AsyncClient, writer: FakeWriter
) -> None:
    writer.text, writer.failure = MODEL_SAYS, ModelUnavailable("gone")
    streamed = events((await client.post("/v1/answer", json={"question": QUESTION, "stream": True})).text)
    assert [name for name, _ in streamed] == ["statement", "error"]
    assert (streamed[-1][1]["code"], streamed[-1][1]["status"]) == ("model_unavailable", 503)
    chat = events((await client.post("/v1/chat/completions", json={**CHAT, "stream": True})).text)
    assert chat[-1][1]["error"]["code"] == "model_unavailable"
    assert all(data != "[DONE]" for _, data in chat)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_is_down_from_the_start_is_a_503_and_search_goes_on(
    client: httpx.AsyncClient, writer: FakeWriter, *, stream: bool
) -> None:
    writer.failure = ModelUnavailable("gone")
    response = await client.post("/v1/answer", json={"question": QUESTION, "stream": stream})
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["code"] == "model_unavailable"
    chat = await client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert (chat.status_code, chat.json()["error"]["code"]) == (503, "model_unavailable")
    assert (await client.post("/v1/search", json={"query": QUESTION})).status_code == 200


@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/v1/search", {"query": QUESTION}),
        ("POST", "/v1/answer", {"question": QUESTION}),
        ("POST", "/v1/answer", {"question": QUESTION, "stream": True}),
        ("POST", "/v1/chat/completions", CHAT),
        ("GET", "/v1/documents", None),
        ("GET", f"/v1/documents/{LEAVE.ref.id}", None),
    ],
)
@pytest.mark.parametrize("failure", [DatabaseUnavailable("down"), RedisUnavailable("down")])
async def test_a_dead_store_is_a_503_on_every_route(
    client: httpx.AsyncClient,
    index: FakeIndex,
    limiter: FakeLimiter,
    call: tuple[str, str, Any],
    failure: AppError,
) -> None:
    method, path, body = call
    if isinstance(failure, DatabaseUnavailable):
        index.failure = failure
    else:
        limiter.failure = failure
    response = await client.request(method, path, json=body)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    problem = response.json()
    assert problem.get("error", problem)["code"] == failure.code


def _chat(*, model: str = "rag", role: str = "user", content: str = "a", n: int = 1) -> bytes:
    messages = [{"role": role, "content": content}]
    return json.dumps({"model": model, "n": n, "messages": messages}).encode()


async def test_dead_embeddings_are_a_503(
    client: httpx.AsyncClient, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any, **__: Any) -> None:
        raise EmbeddingsUnavailable("down")

    monkeypatch.setattr(type(answerer.embedder), "embed", down)
    response = await client.post("/v1/search", json={"query": QUESTION})
    assert (response.status_code, response.json()["code"]) == (503, "embeddings_unavailable")


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/v1/answer", b"{", 400, "malformed_json"),
        ("/v1/answer", b"\xff\xfe", 400, "malformed_json"),
        ("/v1/answer", b"[]", 422, "invalid_request"),
        ("/v1/answer", b'{"question": 5}', 422, "invalid_request"),
        ("/v1/answer", b'{"question": "  "}', 422, "invalid_request"),
        ("/v1/answer", b'{"question": "a", "stream": "perhaps"}', 422, "invalid_request"),
        ("/v1/answer", b'{"question": "a", "unknown": 1}', 422, "invalid_request"),
        ("/v1/answer", b'{"question": "a", "collection": "../x"}', 422, "invalid_request"),
        ("/v1/answer", b'{"question": "a", "collection": "nowhere"}', 404, "collection_not_found"),
        ("/v1/answer", b'{"question": "a", "collection": "nowhere", "stream": true}', 404, "collection_not_found"),
        ("/v1/answer", json.dumps({"question": "a" * 9_000}).encode(), 422, "invalid_request"),
        ("/v1/answer", json.dumps({"question": "a" * 1_000_000}).encode(), 413, "body_too_large"),
        ("/v1/search", b'{"query": "a", "limit": 0}', 422, "invalid_request"),
        ("/v1/search", b'{"query": "a", "limit": 100000}', 422, "invalid_request"),
        ("/v1/chat/completions", b"{", 400, "malformed_json"),
        ("/v1/chat/completions", b'{"model": "rag", "messages": []}', 422, "invalid_request"),
        ("/v1/chat/completions", _chat(model="gpt"), 404, "model_not_found"),
        ("/v1/chat/completions", _chat(content=""), 422, "invalid_question"),
        ("/v1/chat/completions", _chat(role="system"), 422, "invalid_question"),
        ("/v1/chat/completions", _chat(n=2), 422, "invalid_request"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_with_a_stable_code(
    client: httpx.AsyncClient, path: str, content: bytes, status: int, code: str
) -> None:
    response = await client.post(path, content=content, headers={"content-type": "application/json"})
    problem = response.json()
    assert response.status_code == status
    if path == "/v1/chat/completions":
        assert problem["error"]["code"] == code
    else:
        assert problem["code"] == code
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v1/documents/{UUID(int=3)}", 404, "document_not_found"),
        (f"/v1/documents/{BANDS.ref.id}", 404, "document_not_found"),
        ("/v1/documents/x", 422, "invalid_request"),
        ("/v1/documents?limit=0", 422, "invalid_request"),
        ("/v1/documents?after=x", 422, "invalid_cursor"),
        ("/v1/documents?collection=nowhere", 404, "collection_not_found"),
        ("/v1/nothing", 404, "route_not_found"),
    ],
)
async def test_bad_addresses_are_refused_with_a_stable_code(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_documents_are_those_that_one_may_read(client: httpx.AsyncClient) -> None:
    for user, paths in (("alice", [LEAVE.path]), ("bob", [BANDS.path, LEAVE.path]), ("eve", [])):
        headers = {"authorization": f"Bearer {user}"}
        body = (await client.get("/v1/documents", headers=headers)).json()
        assert [document["path"] for document in body["documents"]] == paths
        assert body["next"] is None
    assert (await client.get(f"/v1/documents/{LEAVE.ref.id}")).json()["text"] == LEAVE.text


@pytest.mark.parametrize("authorization", [None, "Bearer mallory", "Basic alice", "Bearer"])
async def test_without_a_good_token_every_route_is_closed(
    client: httpx.AsyncClient, authorization: str | None
) -> None:
    del client.headers["authorization"]
    headers = {"authorization": authorization} if authorization else {}
    for method, path in (
        ("POST", "/v1/search"),
        ("POST", "/v1/answer"),
        ("GET", "/v1/documents"),
        ("GET", f"/v1/documents/{LEAVE.ref.id}"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
    ):
        response = await client.request(method, path, headers=headers)
        problem = response.json()
        assert (response.status_code, problem.get("error", problem)["code"]) == (401, "unauthenticated")
    assert (await client.get("/livez")).status_code == 200


async def test_a_principal_over_its_limit_is_told_when_to_come_back(
    client: httpx.AsyncClient, limiter: FakeLimiter
) -> None:
    limiter.failure = TooManyRequests("slow down", retry_after_seconds=17)
    response = await client.post("/v1/search", json={"query": QUESTION})
    assert (response.status_code, response.headers["retry-after"]) == (429, "17")
    assert response.json()["code"] == "rate_limited"


async def test_more_answers_at_once_than_there_is_room_for_are_refused(
    client: httpx.AsyncClient, room: Room
) -> None:
    async with room.place(), room.place(), room.place(), room.place():
        response = await client.post("/v1/answer", json={"question": QUESTION})
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert (await client.post("/v1/answer", json={"question": QUESTION})).status_code == 200


@pytest.fixture
def official(client: httpx.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url="http://test/v1", api_key="alice", http_client=client, max_retries=0)


async def test_the_official_openai_client_gets_an_answer_with_its_sources(
    official: openai.AsyncOpenAI, writer: FakeWriter
) -> None:
    writer.text = MODEL_SAYS
    assert [model.id for model in (await official.models.list()).data] == ["rag"]
    done = await official.chat.completions.create(
        model="rag",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
        temperature=0.3,
    )
    content = done.choices[0].message.content or ""
    assert content.startswith("Employees receive 25 days of paid vacation. [1]\n\nSources:\n[1] leave.md: ")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage
    assert done.usage.total_tokens == writer.usage.total_tokens
    assert cast("Any", done).citations[0]["quote"] == QUOTE
    assert cast("Any", done).insufficient_evidence is False
    assert writer.asked[-1][0] == QUESTION


async def test_the_official_openai_client_gets_the_same_as_a_stream(
    official: openai.AsyncOpenAI, writer: FakeWriter
) -> None:
    writer.text = MODEL_SAYS
    messages = cast("Any", CHAT["messages"])
    whole = await official.chat.completions.create(model="rag", messages=messages)
    stream = await official.chat.completions.create(
        model="rag",
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == writer.usage.total_tokens
    assert [c for chunk in chunks for c in getattr(chunk, "citations", None) or []] == cast(
        "Any", whole
    ).citations


async def test_a_chat_without_evidence_says_so_and_lists_no_source(official: openai.AsyncOpenAI) -> None:
    for stream in (False, True):
        messages: Any = [{"role": "user", "content": "What does a sourdough bread weigh?"}]
        reply: Any = await official.chat.completions.create(model="rag", messages=messages, stream=stream)
        if stream:
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in reply])
        else:
            text = reply.choices[0].message.content
        assert text == INSUFFICIENT


async def test_a_refusal_is_an_error_of_the_official_client(official: openai.AsyncOpenAI) -> None:
    messages: Any = CHAT["messages"]
    with pytest.raises(openai.NotFoundError) as caught:
        await official.chat.completions.create(model="gpt", messages=messages)
    assert caught.value.code == "model_not_found"
