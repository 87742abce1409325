"""The composition root: settings in, application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace

from fastapi import FastAPI

from kit.db import Database
from kit.embeddings import EmbeddingClient
from kit.identity import TokenVerifier
from kit.telemetry import configure_logging, configure_tracing
from kit.web import create_app, serve
from rag_api.adapters.llamaindex import LlamaIndexWriter, warm_up
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.adapters.postgres_documents import PostgresDocuments
from rag_api.adapters.valkey import ValkeyLimiter
from rag_api.core.answer import LARGE_MODEL, SMALL_MODEL, Answerer, AnswerParameters
from rag_api.core.evidence import Evidence
from rag_api.core.limits import Room
from rag_api.routes import Services, create_router
from rag_api.settings import Settings

OPENAI_PATHS = ("/v1/chat/", "/v1/models")


def main() -> None:
    settings = Settings()
    configure_logging(service="rag-api", level=settings.log_level, format=settings.log_format)
    app = build(settings)
    configure_tracing(app, service="rag-api", endpoint=settings.otel_endpoint)
    serve(app, host=settings.host, port=settings.port, grace_seconds=settings.grace_seconds)


def build(settings: Settings) -> FastAPI:
    """Return the application. It starts whether or not its dependencies are up, and recovers when they are."""
    parameters = answer_parameters(settings)
    database = Database(
        settings.database_url.get_secret_value(),
        name="rag-api",
        pool_size_max=settings.database_connections_max,
        statement_timeout_seconds=settings.database_timeout_seconds,
    )
    embedder = EmbeddingClient(
        base_url=settings.embedding_base_url,
        model=settings.embedding_model,
        api_key=settings.embedding_api_key.get_secret_value(),
        timeout_seconds=settings.embedding_timeout_seconds,
    )
    limiter = ValkeyLimiter(
        settings.redis_url.get_secret_value(),
        requests_per_minute=settings.requests_per_minute,
        timeout_seconds=settings.redis_timeout_seconds,
    )
    writer = LlamaIndexWriter(
        base_url=settings.model_base_url,
        model=settings.model_name,
        api_key=settings.model_api_key.get_secret_value(),
        timeout_seconds=settings.model_timeout_seconds,
        tokens_max=parameters.answer_tokens_max,
    )

    async def embeddings_answer() -> None:
        await embedder.embed(["ready?"])

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # LlamaIndex takes seconds to import: meanwhile the service already answers probes and searches.
        warming = asyncio.create_task(asyncio.to_thread(warm_up))
        yield
        await warming
        for resource in (writer, embedder, limiter, database):
            await resource.aclose()

    app = create_app(
        title="rag-api",
        verifier=TokenVerifier(
            jwks_url=settings.auth_jwks_url, issuer=settings.auth_issuer, audience=settings.auth_audience
        ),
        checks={"postgres": database.ping, "redis": limiter.ping, "embeddings": embeddings_answer},
        watched={"model": writer.ping},
        body_bytes_max=settings.body_bytes_max,
        lifespan=lifespan,
        openai_paths=OPENAI_PATHS,
    )
    answerer = Answerer(PostgresChunkIndex(database), embedder, writer, Evidence(embedder), parameters)
    documents = PostgresDocuments(database)
    app.include_router(
        create_router(Services(answerer, documents, limiter, Room(settings.answers_in_flight_max)))
    )
    return app


def answer_parameters(settings: Settings) -> AnswerParameters:
    """Return what is set, and the defaults for the size of the model."""
    names = (field.name for field in fields(AnswerParameters))
    chosen = {name: value for name in names if (value := getattr(settings, name)) is not None}
    return replace(LARGE_MODEL if settings.model_size == "large" else SMALL_MODEL, **chosen)
