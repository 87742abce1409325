"""ASGI middleware. Raw ASGI, because Starlette's BaseHTTPMiddleware buffers what a stream must pass on."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.errors import AppError, TooLarge, Unauthenticated
from kit.identity import TokenVerifier

Render = Callable[[str, AppError], Response]

BEARER_BYTES_MAX = 16_384
_TRACEPARENT = re.compile(rb"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")

log = structlog.get_logger()


class BodyTooLarge(TooLarge):
    code = "body_too_large"


class Authenticate:
    """Verifies the bearer token and puts the principal into the request's state."""

    def __init__(
        self, app: ASGIApp, *, verifier: TokenVerifier, open_paths: frozenset[str], render: Render
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._open_paths = open_paths
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._verifier.verify(_bearer(scope))
        except AppError as error:
            await self._render(scope["path"], error)(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)


class LimitBody:
    """Refuses bodies over `bytes_max`, announced or not."""

    def __init__(self, app: ASGIApp, *, bytes_max: int, render: Render) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _header(scope, b"content-length")
        if announced.isdigit() and int(announced) > self._bytes_max:
            await self._render(scope["path"], self._error())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._bytes_max:
                raise self._error()
            return message

        async def unless_refused(message: Message) -> None:
            # A framework may turn the error above into an answer of its own; ours is the true one.
            if seen <= self._bytes_max:
                await send(message)

        with contextlib.suppress(BodyTooLarge):
            await self._app(scope, counted, unless_refused)
        if seen > self._bytes_max:
            await self._render(scope["path"], self._error())(scope, receive, send)

    def _error(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is over {self._bytes_max} bytes.")


class Observe:
    """Gives each request an id, a log line, metrics, and an answer even when the code below fails."""

    def __init__(
        self, app: ASGIApp, *, registry: CollectorRegistry, render: Render, quiet_paths: frozenset[str]
    ) -> None:
        self._app = app
        self._render = render
        self._quiet_paths = quiet_paths
        labels = ["method", "route", "status"]
        self._count = Counter("http_requests_total", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "To the end of the body", labels, registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = _trace_id(scope)
        status = 0
        started = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", trace_id.encode()))
            await send(message)

        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            try:
                await self._app(scope, receive, noted)
            except Exception:
                log.exception("request_failed", path=scope["path"])
                if status:  # the response has begun: break it off, so that nobody takes it for whole
                    raise
                error = AppError(f"Something went wrong here. The log has the details under {trace_id}.")
                await self._render(scope["path"], error)(scope, receive, noted)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: a path with ids in it would make a metric for each id.
        route = getattr(scope.get("route"), "path", "none")
        labels = (scope["method"], route, str(status))
        self._count.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)
        if scope["path"] not in self._quiet_paths:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
                subject=getattr(scope.get("state", {}).get("principal"), "subject", None),
            )


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _bearer(scope: Scope) -> str:
    kind, _, token = _header(scope, b"authorization").partition(b" ")
    if kind.lower() != b"bearer" or not token.strip():
        raise Unauthenticated("A bearer token is needed: `Authorization: Bearer …`.")
    if len(token) > BEARER_BYTES_MAX:
        raise Unauthenticated("The token is too long.")
    return token.strip().decode("latin-1")


def _trace_id(scope: Scope) -> str:
    match = _TRACEPARENT.match(_header(scope, b"traceparent"))
    return match[1].decode() if match else secrets.token_hex(16)
