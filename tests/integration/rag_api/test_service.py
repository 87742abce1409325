"""The whole service over real Postgres and Valkey, by HTTP: what it depends on dies and comes back, callers leave."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import jwt
import openai
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fakes.chunk_index import ChunkRecord
from fixtures.chunks import write_chunks
from fixtures.proxy import Proxy, proxied
from kit.db import Database
from migrations import role_url
from rag_api.main import build
from rag_api.settings import Settings
from slipway.config import Config
from slipway.identity import USERS, issue_token, key_set

pytestmark = pytest.mark.integration

SECONDS_MAX = 20
QUESTION = "How many days of paid vacation do employees receive?"
QUOTE = "Full-time employees receive 25 days of paid vacation."
SAID = "Employees receive 25 days of paid vacation."
MODEL_SAYS = {"statements": [{"source": 1, "quote": QUOTE, "text": SAID}]}


@dataclass
class Models:
    """Both models' endpoint. Every text has the same vector; a chat answer may have no end."""

    endless: bool = False
    listeners: int = 0
    """Chat streams that are open."""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    async def _embeddings(self, request: Request) -> Response:
        texts = (await request.json())["input"]
        return JSONResponse({"data": [{"index": n, "embedding": [1.0, 0, 0, 0]} for n in range(len(texts))]})

    async def _chat(self, request: Request) -> Response:
        self.asked.append(await request.json())
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        self.listeners += 1
        try:
            text = json.dumps(MODEL_SAYS)
            for start in range(0, len(text), 9):
                yield _chunk(text[start : start + 9])
            while self.endless:
                yield _chunk(" ")
                await asyncio.sleep(0.01)
            yield "data: [DONE]\n\n"
        finally:
            self.listeners -= 1


def _chunk(text: str) -> str:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"


@dataclass
class Service:
    """rag-api with a proxy before each thing that it depends on."""

    url: str
    tokens: Config
    models: Models
    proxies: dict[str, Proxy]

    def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token or issue_token(self.tokens, 'sam')}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=SECONDS_MAX)


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are pytest's


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    server = Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def service(
    postgres_admin_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    tenant, model = f"acme-{uuid.uuid4().hex}", f"model-{uuid.uuid4().hex}"
    home = tmp_path_factory.mktemp("home")
    await _write(postgres_admin_url, ChunkRecord(QUOTE, tenant=tenant, model=model, path="leave.md"))
    models = Models()
    async with AsyncExitStack() as stack:
        stack.enter_context(mock.patch.dict(USERS, {"sam": {"tenant": tenant, "groups": []}}))
        models_url = await stack.enter_async_context(serving(models.app()))
        proxies, urls = {}, {}
        for name, url in (
            ("postgres", role_url(postgres_admin_url, "slipway_rag_api")),
            ("redis", redis_url),
            ("embeddings", f"{models_url}/v1"),
            ("model", f"{models_url}/v1"),
        ):
            proxies[name], urls[name] = await stack.enter_async_context(proxied(url))
        app = build(_settings(urls, home, model))
        yield Service(await stack.enter_async_context(serving(app)), Config(home, home, {}), models, proxies)


def _settings(urls: dict[str, str], home: Path, model: str) -> Settings:
    values: dict[str, Any] = {
        "database_url": urls["postgres"],
        "redis_url": urls["redis"],
        "embedding_base_url": urls["embeddings"],
        "embedding_model": model,
        "model_base_url": urls["model"],
        "auth_jwks_url": key_set(home).as_uri(),
        "requests_per_minute": 100_000,
        "answers_in_flight_max": 1,
    }
    return Settings(**values)


async def _write(admin_url: str, record: ChunkRecord) -> None:
    database = Database(role_url(admin_url, "slipway_ingest"), name="test")
    await write_chunks(database, [record])
    await database.aclose()


async def test_an_answer_and_its_document(service: Service) -> None:
    async with service.client() as client:
        answer = (await client.post("/v1/answer", json={"question": QUESTION})).json()
        assert (answer["answer"], answer["method"]) == (f"{SAID} [1]", "synthesis")
        (citation,) = answer["citations"]
        listed = (await client.get("/v1/documents")).json()["documents"]
        assert [document["id"] for document in listed] == [citation["document"]["id"]]
        document = (await client.get(f"/v1/documents/{citation['document']['id']}")).json()
        assert document["text"][citation["start"] : citation["end"]] == citation["quote"] == QUOTE
    assert service.models.asked[-1]["messages"][0]["role"] == "system"


async def test_the_official_openai_client_by_http(service: Service) -> None:
    official = openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=issue_token(service.tokens, "sam"))
    async with official:
        stream = await official.chat.completions.create(
            model="rag", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text.startswith(f"{SAID} [1]\n\nSources:\n[1] leave.md: ")


@pytest.mark.parametrize(
    ("dead", "code", "is_ready"),
    [
        ("postgres", "postgres_unavailable", False),
        ("redis", "redis_unavailable", False),
        ("embeddings", "embeddings_unavailable", False),
        ("model", "model_unavailable", True),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_dead_is_a_503_and_what_is_back_works_again(
    service: Service, dead: str, code: str, *, is_ready: bool, stream: bool
) -> None:
    async with service.client() as client:

        async def ask() -> httpx.Response:
            return await client.post("/v1/answer", json={"question": QUESTION, "stream": stream})

        assert (await ask()).status_code == 200
        await service.proxies[dead].cut()
        try:
            refused = await ask()
            ready = await client.get("/readyz")
        finally:
            await service.proxies[dead].mend()
        assert (refused.status_code, refused.json()["code"]) == (503, code)
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["content-type"] == "application/problem+json"
        assert ready.status_code == (200 if is_ready else 503)
        assert ready.json()["checks"][dead] == "failing"
        assert (await _first_success(ask)).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def _first_success(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        response = await ask()
        if response.status_code != 503 or time.monotonic() > deadline:
            return response
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_stops_the_model_and_frees_its_place(
    service: Service, *, stream: bool
) -> None:
    service.models.endless = True
    body = {"question": QUESTION, "stream": stream}
    try:
        async with service.client() as client:
            asking = asyncio.create_task(_first_line(client, body))
            await until(lambda: service.models.listeners == 1)
            if stream:
                assert await asking == "event: statement"
            else:
                asking.cancel()
        await until(lambda: service.models.listeners == 0)
    finally:
        service.models.endless = False
    async with service.client() as client:
        # There is room for one answer: a place that was not given back would be missed.
        response = await _first_success(lambda: client.post("/v1/answer", json={"question": QUESTION}))
        assert response.status_code == 200


async def _first_line(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    async with client.stream("POST", "/v1/answer", json=body) as response:
        return await anext(response.aiter_lines())


async def test_tokens_that_do_not_hold_are_refused(service: Service) -> None:
    good = issue_token(service.tokens, "sam")
    kid = jwt.get_unverified_header(good)["kid"]
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": kid})
    expired = issue_token(service.tokens, "sam", ttl_minutes=-10)
    for token in (forged, unsigned, expired, "nonsense"):
        async with service.client(token) as client:
            response = await client.post("/v1/answer", json={"question": QUESTION})
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
