"""Answers in the shape of OpenAI's chat completions."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from kit.contracts.documents import QUESTION_CHARACTERS_MAX, Answer, Citation, Statement
from kit.contracts.rag_chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatRequest,
    Choice,
    ChunkChoice,
    Delta,
    Model,
    ModelList,
    ReplyMessage,
)
from kit.errors import NotFound, Unprocessable

MODEL = "rag"
MODELS = ModelList(data=[Model(id=MODEL, created=1_767_225_600, owned_by="slipway")])


class ModelNotFound(NotFound):
    code = "model_not_found"


class InvalidQuestion(Unprocessable):
    code = "invalid_question"


def question_of(request: ChatRequest) -> str:
    """Return the question: the last user message. What was said before it is not used.

    Errors: ModelNotFound, InvalidQuestion.
    """
    if request.model != MODEL:
        raise ModelNotFound(f"There is no model {request.model!r} here; there is {MODEL!r}.")
    texts = [message.text().strip() for message in request.messages if message.role == "user"]
    if not texts or not texts[-1]:
        raise InvalidQuestion("The last user message is the question, and there is none or it is empty.")
    if len(texts[-1]) > QUESTION_CHARACTERS_MAX:
        raise InvalidQuestion(f"The question is longer than {QUESTION_CHARACTERS_MAX} characters.")
    return texts[-1]


def completion(request: ChatRequest, answer: Answer) -> ChatCompletion:
    """Return the answer, its sources listed at the end of the text and structured beside it."""
    return ChatCompletion(
        id=_new_id(),
        created=int(time.time()),
        model=request.model,
        choices=[Choice(message=ReplyMessage(content=answer.answer + _sources(answer.citations)))],
        usage=answer.usage,
        citations=answer.citations,
        insufficient_evidence=answer.insufficient_evidence,
    )


async def chunks(
    request: ChatRequest, events: AsyncIterator[Statement | Answer]
) -> AsyncIterator[ChatCompletionChunk]:
    """Yield the answer statement by statement, then the sources, then the usage if it was asked for."""
    new_id, created = _new_id(), int(time.time())

    def chunk(choices: list[ChunkChoice], **fields: Any) -> ChatCompletionChunk:
        return ChatCompletionChunk(id=new_id, created=created, model=request.model, choices=choices, **fields)

    def said(text: str) -> ChatCompletionChunk:
        return chunk([ChunkChoice(delta=Delta(content=text))])

    yield chunk([ChunkChoice(delta=Delta(role="assistant", content=""))])
    separator = ""
    async for event in events:
        if isinstance(event, Statement):
            yield said(separator + event.text)
            separator = " "
            continue
        yield said(_sources(event.citations) if event.citations else event.answer)
        yield chunk(
            [ChunkChoice(delta=Delta(), finish_reason="stop")],
            citations=event.citations,
            insufficient_evidence=event.insufficient_evidence,
        )
        if request.stream_options and request.stream_options.include_usage:
            yield chunk([], usage=event.usage)


def _sources(citations: list[Citation]) -> str:
    lines = [
        f"[{n}] {citation.document.path}: “{_one_line(citation.quote)}”"
        for n, citation in enumerate(citations, 1)
    ]
    return "\n\nSources:\n" + "\n".join(lines) if lines else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
