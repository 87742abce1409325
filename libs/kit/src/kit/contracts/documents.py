"""Documents, search and answers (rag-api)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

QUESTION_CHARACTERS_MAX = 8_000
SEARCH_LIMIT_MAX = 100

Question = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=QUESTION_CHARACTERS_MAX)
]
CollectionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DocumentRef(BaseModel):
    """What a hit or a citation says of its document."""

    id: UUID
    path: str
    title: str
    collection: str


class SearchRequest(Request):
    query: Question
    collection: CollectionName | None = Field(None, description="All that the caller may read, if absent")
    limit: int = Field(10, ge=1, le=SEARCH_LIMIT_MAX)


class Hit(BaseModel):
    """A passage. `start` and `end` are character offsets in the document's text; a higher score is better."""

    document: DocumentRef
    chunk_id: int
    heading: str
    text: str
    start: int
    end: int
    score: float


class SearchResponse(BaseModel):
    hits: list[Hit]
    timings_ms: dict[str, float]


class AnswerRequest(Request):
    question: Question
    collection: CollectionName | None = Field(None, description="All that the caller may read, if absent")
    stream: bool = False


class Citation(BaseModel):
    """`quote` is the document's text from `start` to `end`, character for character."""

    document: DocumentRef
    chunk_id: int
    heading: str
    quote: str
    start: int
    end: int


class Usage(BaseModel):
    """Tokens that the chat model used; 0 if it was not asked."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Answer(BaseModel):
    """If `insufficient_evidence`, `answer` says so and there is no citation; otherwise there is at least one.

    [n] in `answer` means the n-th citation. `method` tells who wrote it: the chat model (synthesis), the documents
    themselves (extraction: sentences of theirs, in quotation marks), or nobody (none: no evidence).
    """

    answer: str
    citations: list[Citation]
    insufficient_evidence: bool
    method: Literal["synthesis", "extraction", "none"]
    usage: Usage
    timings_ms: dict[str, float]


class DocumentSummary(DocumentRef):
    media_type: str
    bytes: int
    chunks: int
    updated_at: datetime


class DocumentList(BaseModel):
    documents: list[DocumentSummary]
    next: str | None = Field(None, description="Pass as ?after= for the next page")


class DocumentDetail(DocumentSummary):
    text: str


class Statement(BaseModel):
    """Event `statement` of a streamed answer: text that is complete and checked, with what proves it.

    The statements' texts, joined by a space, are the answer; [n] in them means the n-th citation of the stream.
    """

    text: str
    citations: list[Citation]
