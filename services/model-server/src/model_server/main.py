"""Composition root: reads the settings, loads one model, serves it."""

from __future__ import annotations

import argparse
import sys

import structlog
from fastapi import FastAPI
from pydantic import ValidationError

from kit.telemetry import configure_logging, configure_tracing
from kit.web import Check, create_app, serve
from model_server.cpu import physical_cores
from model_server.errors import ModelNotLoaded
from model_server.packaged import CHAT_WEIGHTS, packaged
from model_server.settings import BUNDLED_CHAT_NAME, EMBEDDING_NAME, Settings

BUNDLED_SYSTEM_MESSAGE = "You are a helpful assistant."
"""Without a system message the bundled model answers nonsense."""

log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> None:
    """Serve the model that the command line names. Exit code 1: it cannot be loaded or the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m model_server", description=__doc__)
    parser.add_argument("model", choices=["chat", "embeddings"], help="which model this process serves")
    chosen = parser.parse_args(arguments).model
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The settings are wrong: {error}")
    configure_logging(service=f"model-server-{chosen}", level=settings.log_level, format=settings.log_format)
    try:
        serve_chat(settings) if chosen == "chat" else serve_embeddings(settings)
    except ModelNotLoaded as error:
        sys.exit(str(error))


def serve_chat(settings: Settings) -> None:
    """Load the chat model, then listen until SIGTERM or SIGINT."""
    from model_server.chat_engine import ChatEngine, ChatModel
    from model_server.chat_routes import chat_router

    bundled = settings.chat_model is None
    path = settings.chat_model or packaged(*CHAT_WEIGHTS)
    template = settings.chat_template
    engine = ChatEngine(
        ChatModel(
            path=path,
            name=settings.chat_model_name or (BUNDLED_CHAT_NAME if bundled else path.stem),
            threads=settings.threads or physical_cores(),
            slots=settings.chat_slots,
            context_tokens=settings.chat_context_tokens,
            prompt_cache_mib=settings.chat_prompt_cache_mib,
            template=template.read_text() if template else None,
            recode=bundled,
        )
    )
    app = _app(settings, "chat", {"model": engine.check})
    app.include_router(
        chat_router(
            engine,
            registry=app.state.registry,
            api_key=settings.api_key.get_secret_value(),
            queue_max=settings.queue_max,
            timeout_seconds=settings.request_timeout_seconds,
            system_message=BUNDLED_SYSTEM_MESSAGE if bundled else None,
        )
    )
    log.info("model_loaded", model=engine.name, context_tokens=engine.context_tokens)
    serve(app, host=settings.host, port=settings.chat_port)
    engine.close()


def serve_embeddings(settings: Settings) -> None:
    """Load the embedding model, then listen until SIGTERM or SIGINT."""
    from model_server.embedding_engine import EmbeddingEngine
    from model_server.embedding_routes import embedding_router

    engine = EmbeddingEngine(
        threads=settings.threads or physical_cores(), tokens_max=settings.embedding_tokens_max
    )
    app = _app(settings, "embeddings", {})
    app.include_router(
        embedding_router(
            engine,
            name=EMBEDDING_NAME,
            registry=app.state.registry,
            api_key=settings.api_key.get_secret_value(),
            queue_max=settings.queue_max,
            inputs_max=settings.embedding_inputs_max,
            timeout_seconds=settings.request_timeout_seconds,
        )
    )
    log.info("model_loaded", model=EMBEDDING_NAME, tokens_max=engine.tokens_max)
    serve(app, host=settings.host, port=settings.embeddings_port)
    engine.close()


def _app(settings: Settings, kind: str, checks: dict[str, Check]) -> FastAPI:
    app = create_app(
        title=f"Slipway model server: {kind}",
        verifier=None,
        checks=checks,
        body_bytes_max=settings.body_bytes_max,
        openai_paths=("/v1",),
    )
    configure_tracing(app, service=f"model-server-{kind}", endpoint=settings.otel_endpoint)
    return app
