from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from kit.errors import AppError, Unauthenticated, Unavailable
from kit.principal import Principal
from kit.web import Caller, create_app


class OneToken:
    async def verify(self, token: str) -> Principal:
        if token != "good":
            raise Unauthenticated("No.")
        return Principal("alice", "acme")


class Body(BaseModel):
    count: int


def app(**changes: Any) -> FastAPI:
    options: dict[str, Any] = {"title": "t", "verifier": OneToken(), "checks": {}, "body_bytes_max": 100}
    service = create_app(**(options | changes))

    @service.get("/who")
    async def who(caller: Caller) -> str:
        return caller.subject

    @service.post("/count")
    async def count(body: Body) -> int:
        return body.count

    @service.get("/v1/broken")
    async def broken() -> None:
        raise RuntimeError("secret detail")

    @service.get("/down")
    async def down() -> None:
        raise Unavailable("The database does not answer.", retry_after_seconds=7)

    @service.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield "first"
            raise RuntimeError("too late for a status")

        return StreamingResponse(pieces())

    return service


def client(service: FastAPI, token: str | None = "good") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://t", headers=headers)


async def test_the_principal_reaches_the_route() -> None:
    async with client(app()) as http:
        assert (await http.get("/who")).json() == "alice"


@pytest.mark.parametrize("token", [None, "bad", "x" * 20_000])
@pytest.mark.parametrize("path", ["/who", "/nowhere", "/docs", "/openapi.json"])
async def test_without_a_good_token_every_path_answers_401(path: str, token: str | None) -> None:
    async with client(app(), token) as http:
        response = await http.get(path)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unauthenticated"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_and_scrapes_need_no_token(path: str) -> None:
    async with client(app(), None) as http:
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_is_not_said_to_be_json_is_refused_with_the_way_out(media_type: str) -> None:
    async with client(app()) as http:
        response = await http.post("/count", content='{"count": 1}', headers={"content-type": media_type})
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"
    assert "Content-Type: application/json" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("POST", "/count", "{", 400, "malformed_json"),
        ("POST", "/count", '{"count": "many"}', 422, "invalid_request"),
        ("POST", "/count", "[]", 422, "invalid_request"),
        ("POST", "/count", '{"count": 1}' + " " * 200, 413, "body_too_large"),
        ("GET", "/nowhere", None, 404, "route_not_found"),
        ("DELETE", "/who", None, 405, "method_not_allowed"),
        ("GET", "/down", None, 503, "unavailable"),
    ],
)
async def test_errors_are_problems_with_a_stable_code(
    method: str, path: str, content: str | None, status: int, code: str
) -> None:
    async with client(app()) as http:
        response = await http.request(
            method, path, content=content, headers={"content-type": "application/json"}
        )
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_405_says_what_the_route_takes() -> None:
    async with client(app()) as http:
        assert (await http.delete("/who")).headers["allow"] == "GET"


async def test_a_body_without_a_length_is_limited_too() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 50

    async with client(app()) as http:
        response = await http.post("/count", content=pieces(), headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_an_outage_says_when_to_come_back() -> None:
    async with client(app()) as http:
        assert (await http.get("/down")).headers["retry-after"] == "7"


async def test_a_bug_is_a_500_that_tells_nothing_but_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        async with client(app()) as http:
            response = await http.get("/v1/broken", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "a" * 32
    assert "a" * 32 in response.json()["detail"]


async def test_on_openai_paths_errors_have_openais_shape() -> None:
    async with client(app(openai_paths=("/v1/",)), "bad") as http:
        error = (await http.get("/v1/broken")).json()["error"]
    assert error == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": None,
        "code": "unauthenticated",
    }


async def test_a_stream_that_fails_breaks_off() -> None:
    async with client(app()) as http:
        with pytest.raises(RuntimeError, match="too late"):
            await http.get("/breaks-off")


async def test_ready_names_the_check_that_fails() -> None:
    async def works() -> None: ...

    async def fails() -> None:
        raise AppError("down")

    async with client(app(checks={"postgres": works, "model": fails}), None) as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "checks": {"postgres": "ok", "model": "failing"}}


async def test_metrics_count_by_route_and_not_by_path() -> None:
    service = app()
    async with client(service) as http:
        await http.get("/who")
        await http.get("/some/unknown/path")
        text = (await http.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/who",status="200"} 1.0' in text
    assert "/some/unknown/path" not in text
