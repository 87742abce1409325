"""The HTTP shell of every service: identity, limits, errors, health, metrics. Routes add the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from kit.callers import CLIENT_CLOSED_REQUEST, CallerLeft
from kit.errors import AppError, BadRequest, NotFound, Unprocessable
from kit.identity import TokenVerifier
from kit.middleware import Authenticate, LimitBody, Observe
from kit.principal import Principal

OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that need no token: probes and scrapes have none."""

READY_TIMEOUT_SECONDS = 3

ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong: an RFC 9457 problem, or OpenAI's error object on OpenAI's routes.",
        "content": {
            "application/problem+json": {
                "schema": {"type": "object", "required": ["type", "status", "code"]}
            },
            "application/json": {"schema": {"type": "object", "required": ["error"]}},
        },
    }
}
"""What every route may answer, for the OpenAPI description."""

Check = Callable[[], Awaitable[None]]
"""Returns if a dependency works, raises if it does not."""

log = structlog.get_logger()


def principal(request: Request) -> Principal:
    """Return who is calling. Every route outside OPEN_PATHS has one."""
    return request.state.principal  # type: ignore[no-any-return]


Caller = Annotated[Principal, Depends(principal)]


def create_app(
    *,
    title: str,
    verifier: TokenVerifier | None,
    checks: Mapping[str, Check],
    body_bytes_max: int,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None,
    openai_paths: tuple[str, ...] = (),
    watched: Mapping[str, Check] | None = None,
) -> FastAPI:
    """Return an app with /livez, /readyz, /metrics, error rendering, body limit and authentication.

    `verifier`: None leaves the routes open (a model server inside its network).
    `checks`: what must work for /readyz to say 200, by name.
    `watched`: what /readyz reports but does without: a part of the routes works when it is down.
    `openai_paths`: prefixes on which errors have OpenAI's shape rather than problem+json's.
    """
    app = FastAPI(title=title, lifespan=lifespan, responses=ERRORS)
    registry = CollectorRegistry()
    render = _renderer(openai_paths)

    async def on_error(request: Request, error: Exception) -> Response:
        response = render(request.url.path, _app_error(request, error))
        response.headers.update(getattr(error, "headers", None) or {})  # Allow, with a 405
        return response

    for kind in (AppError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(CallerLeft, lambda *_: Response(status_code=CLIENT_CLOSED_REQUEST))
    _add_health_routes(app, checks, watched or {}, registry)
    # The last one added is the outermost: observe everything, then refuse strangers, then refuse floods.
    app.add_middleware(LimitBody, bytes_max=body_bytes_max, render=render)
    if verifier:
        app.add_middleware(Authenticate, verifier=verifier, open_paths=OPEN_PATHS, render=render)
    app.add_middleware(Observe, registry=registry, render=render, quiet_paths=OPEN_PATHS)
    return app


def serve(app: FastAPI, *, host: str, port: int, grace_seconds: int = 20) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight within `grace_seconds`."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace_seconds,
        server_header=False,
    )
    uvicorn.Server(config).run()


def _add_health_routes(
    app: FastAPI, checks: Mapping[str, Check], watched: Mapping[str, Check], registry: CollectorRegistry
) -> None:
    @app.get("/livez", include_in_schema=False)
    async def live() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> JSONResponse:
        every = {**checks, **watched}
        results = await asyncio.gather(*(_passes(name, check) for name, check in every.items()))
        state = dict(zip(every, results, strict=True))
        is_ready = all(state[name] for name in checks)
        return JSONResponse(
            {"ready": is_ready, "checks": {name: "ok" if ok else "failing" for name, ok in state.items()}},
            status_code=200 if is_ready else 503,
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.state.registry = registry


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever a dependency does, the probe must answer
        log.warning("check_failed", check=name, error=repr(error))
        return False
    return True


class NoSuchRoute(NotFound):
    code = "route_not_found"


class MethodNotAllowed(AppError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class MalformedJson(BadRequest):
    code = "malformed_json"


class UnsupportedMediaType(AppError):
    status, code, title = 415, "unsupported_media_type", "Not JSON"


def _app_error(request: Request, error: Exception) -> AppError:
    match error:
        case AppError():
            return error
        case RequestValidationError():
            return _validation_error(request, error)
        case HTTPException(status_code=404):
            return NoSuchRoute("There is no such route.")
        case HTTPException(status_code=405):
            return MethodNotAllowed("This route does not take that method.")
        case HTTPException(detail=detail):
            return BadRequest(str(detail))
    return AppError("Something went wrong here. The log has the details under this request's id.")


def _validation_error(request: Request, error: RequestValidationError) -> AppError:
    problems = error.errors()
    is_json = "json" in request.headers.get("content-type", "")
    if not is_json and any(problem["loc"] == ("body",) for problem in problems):
        return UnsupportedMediaType("Send the body as JSON, with `Content-Type: application/json`.")
    if any(problem["type"] == "json_invalid" for problem in problems):
        return MalformedJson("The body is not valid JSON.")
    sentences = [
        f"{'.'.join(str(part) for part in problem['loc'][1:]) or problem['loc'][0]}: {problem['msg']}"
        for problem in problems[:5]
    ]
    return Unprocessable("; ".join(sentences))


def _renderer(openai_paths: tuple[str, ...]) -> Callable[[str, AppError], Response]:
    def render(path: str, error: AppError) -> Response:
        openai = bool(openai_paths) and path.startswith(openai_paths)
        headers = {}
        if error.retry_after_seconds is not None:
            headers["retry-after"] = str(error.retry_after_seconds)
        if error.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(
            error.openai() if openai else error.problem(),
            status_code=error.status,
            headers=headers,
            media_type="application/json" if openai else "application/problem+json",
        )

    return render
