"""HTTP in and out of the core."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from kit.callers import unless_caller_leaves
from kit.contracts.documents import (
    Answer,
    AnswerRequest,
    CollectionName,
    DocumentDetail,
    DocumentList,
    SearchRequest,
    SearchResponse,
    Statement,
)
from kit.contracts.rag_chat import ChatCompletion, ChatRequest, ModelList
from kit.errors import AppError
from kit.web import Caller
from rag_api.core import chat
from rag_api.core.answer import Answerer
from rag_api.core.documents import DocumentStore, list_documents, show_document
from rag_api.core.limits import Limiter, Room
from rag_api.core.search import search

DOCUMENTS_PER_PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes need of the rest."""

    answerer: Answerer
    documents: DocumentStore
    limiter: Limiter
    room: Room


def create_router(services: Services) -> APIRouter:
    async def admit(caller: Caller) -> None:
        await services.limiter.admit(caller)

    router = APIRouter(prefix="/v1", dependencies=[Depends(admit)])
    _add_search(router, services)
    _add_answer(router, services)
    _add_chat(router, services)
    _add_documents(router, services)
    return router


def _add_search(router: APIRouter, services: Services) -> None:
    @router.post("/search")
    async def search_documents(request: SearchRequest, caller: Caller) -> SearchResponse:
        """Find passages."""
        found = await search(
            services.answerer.index,
            services.answerer.embedder,
            caller,
            query=request.query,
            collection=request.collection,
            limit=request.limit,
        )
        return SearchResponse(hits=found.hits, timings_ms=found.timings_ms)


def _add_answer(router: APIRouter, services: Services) -> None:
    @router.post("/answer", response_model=Answer)
    async def answer(
        request: AnswerRequest, caller: Caller, connection: Request
    ) -> Answer | StreamingResponse:
        """Answer a question with citations; with `stream`, as events: any number of `statement`, then one `done`
        or one `error`."""
        events = _answering(services, caller, request.question, request.collection)
        if not request.stream:
            return await unless_caller_leaves(connection, _last(events))
        return _sse(_answer_events(await unless_caller_leaves(connection, _begun(events))))


def _add_chat(router: APIRouter, services: Services) -> None:
    @router.get("/models")
    async def models() -> ModelList:
        """List the one model, in OpenAI's shape."""
        return chat.MODELS

    @router.post("/chat/completions", response_model=ChatCompletion)
    async def chat_completions(
        request: ChatRequest, caller: Caller, connection: Request
    ) -> ChatCompletion | StreamingResponse:
        """Answer the last user message, in OpenAI's shape."""
        question = chat.question_of(request)
        events = _answering(services, caller, question, request.collection)
        if not request.stream:
            return chat.completion(request, await unless_caller_leaves(connection, _last(events)))
        return _sse(_chat_events(request, await unless_caller_leaves(connection, _begun(events))))


def _add_documents(router: APIRouter, services: Services) -> None:
    @router.get("/documents")
    async def documents(
        caller: Caller,
        collection: CollectionName | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=DOCUMENTS_PER_PAGE_MAX)] = 50,
    ) -> DocumentList:
        """List the documents that the caller may read, by path."""
        return await list_documents(
            services.documents, caller, collection=collection, after=after, limit=limit
        )

    @router.get("/documents/{document_id}")
    async def document(document_id: UUID, caller: Caller) -> DocumentDetail:
        """Show a document with its text."""
        return await show_document(services.documents, caller, document_id)


Events = AsyncGenerator[Statement | Answer, None]


async def _answering(services: Services, caller: Caller, question: str, collection: str | None) -> Events:
    async with services.room.place():
        answering = services.answerer.answer(caller, question, collection=collection)
        async with aclosing(answering) as events:
            async for event in events:
                yield event


async def _last(events: Events) -> Answer:
    async with aclosing(events):
        return [event async for event in events if isinstance(event, Answer)][-1]


async def _begun(events: Events) -> Events:
    """Wait for the first event, so that what fails until then is an HTTP error and no stream."""
    first = await anext(events)

    async def all_events() -> Events:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return all_events()


def _sse(events: AsyncIterator[str]) -> StreamingResponse:
    # No proxy may hold events back until there are enough of them.
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _answer_events(events: Events) -> AsyncIterator[str]:
    async with aclosing(events):
        try:
            async for event in events:
                name = "done" if isinstance(event, Answer) else "statement"
                yield f"event: {name}\ndata: {event.model_dump_json()}\n\n"
        except AppError as error:
            yield f"event: error\ndata: {json.dumps(error.problem())}\n\n"


async def _chat_events(request: ChatRequest, events: Events) -> AsyncIterator[str]:
    async with aclosing(events):
        try:
            async for chunk in chat.chunks(request, events):
                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
            yield "data: [DONE]\n\n"
        except AppError as error:
            yield f"data: {json.dumps(error.openai())}\n\n"
