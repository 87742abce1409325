"""Stand-ins for what an answer needs: an index, an embedding model, a chat model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import numpy as np

from kit.contracts.documents import DocumentDetail, DocumentRef, DocumentSummary, Usage
from kit.principal import Principal
from kit.tables import POSTING
from kit.text import terms
from rag_api.core.documents import Position
from rag_api.core.ports import Neighbour, Passage, Survey, Vectors, VectorSpace
from rag_api.core.search import CollectionNotFound

DIMENSIONS = 4096
NAMESPACE = UUID("5f0c9f3e-3c52-4b0e-9b0a-000000000000")
COLLECTION = "default"


@dataclass
class FakeDocument:
    """A document that is one chunk; `allow` as in an access list."""

    path: str
    text: str
    tenant: str = "acme"
    allow: tuple[str, ...] = ("tenant",)
    heading: str = ""

    @property
    def ref(self) -> DocumentRef:
        title = self.path.rsplit("/", 1)[-1]
        return DocumentRef(
            id=uuid5(NAMESPACE, self.tenant + self.path), path=self.path, title=title, collection=COLLECTION
        )

    def is_readable(self, principal: Principal) -> bool:
        return self.tenant == principal.tenant and bool(set(self.allow) & set(principal.access_entries))


class FakeEmbedder:
    """Two texts are as similar as the words that they share."""

    model = "fake"

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for term in terms(text):
                row[int.from_bytes(hashlib.sha256(term.encode()).digest()[:4]) % DIMENSIONS] += 1
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


@dataclass
class FakeIndex:
    """Keeps documents in memory. Implements ChunkIndex and DocumentStore; `failure` is raised instead."""

    documents: list[FakeDocument]
    failure: Exception | None = None

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[FakeReader]:
        if self.failure:
            raise self.failure
        numbered = enumerate(self.documents, 1)
        yield FakeReader({n: doc for n, doc in numbered if doc.is_readable(principal)})

    async def page(
        self, principal: Principal, *, collection: str | None, after: Position | None, limit: int
    ) -> list[DocumentSummary]:
        if collection not in {None, COLLECTION}:
            raise CollectionNotFound("no such collection")
        async with self.reading(principal) as reader:
            found = sorted(
                (_summary(doc) for doc in reader.documents.values()), key=lambda doc: (doc.path, doc.id)
            )
        return [doc for doc in found if after is None or (doc.path, doc.id) > after][:limit]

    async def get(self, principal: Principal, document_id: UUID) -> DocumentDetail | None:
        async with self.reading(principal) as reader:
            for document in reader.documents.values():
                if document.ref.id == document_id:
                    return DocumentDetail(**_summary(document).model_dump(), text=document.text)
        return None


@dataclass
class FakeReader:
    documents: dict[int, FakeDocument]

    async def survey(self, *, collection: str | None, terms: Sequence[str]) -> Survey | None:
        if collection not in {None, COLLECTION}:
            return None
        counts = {n: Counter(_terms(doc)) for n, doc in self.documents.items()}
        postings = {
            term: np.array([(n, c[term], c.total()) for n, c in counts.items() if term in c], dtype=POSTING)
            for term in terms
            if any(term in c for c in counts.values())
        }
        space = VectorSpace(
            model_id=1,
            model=FakeEmbedder.model,
            dimensions=DIMENSIONS,
            scope_ids=(1,),
            chunks=len(self.documents),
            indexed=0,
        )
        tokens = sum(c.total() for c in counts.values())
        return Survey(len(self.documents), tokens, (space,) if self.documents else (), postings)

    async def nearest(
        self, space: VectorSpace, vector: Vectors, *, limit: int, including: Sequence[int] = ()
    ) -> list[Neighbour]:
        ids = list(self.documents)
        vectors = await FakeEmbedder().embed([doc.text for doc in self.documents.values()])
        cosines = (vectors @ vector).tolist()
        ranked = sorted(
            (Neighbour(*pair) for pair in zip(ids, cosines, strict=True)), key=lambda n: -n.cosine
        )
        return ranked[:limit]

    async def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        chosen = [(n, self.documents[n]) for n in chunk_ids if n in self.documents]
        return [Passage(n, doc.ref, doc.heading, doc.text, 0, len(doc.text)) for n, doc in chosen]


@dataclass
class FakeWriter:
    """Says what it was told to say, in pieces. `failure` is raised after them."""

    text: str = ""
    usage: Usage = field(default_factory=lambda: Usage(prompt_tokens=9, completion_tokens=3, total_tokens=12))
    failure: Exception | None = None
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    async def write(self, question: str, passages: Sequence[str]) -> AsyncGenerator[str | Usage, None]:
        self.asked.append((question, list(passages)))
        for start in range(0, len(self.text), 7):
            yield self.text[start : start + 7]
        if self.failure:
            raise self.failure
        yield self.usage


@dataclass
class FakeLimiter:
    """Lets through until `failure` is set."""

    failure: Exception | None = None
    admitted: list[Principal] = field(default_factory=list)

    async def admit(self, principal: Principal) -> None:
        if self.failure:
            raise self.failure
        self.admitted.append(principal)


def _terms(document: FakeDocument) -> list[str]:
    return terms(f"{document.heading} {document.text}")


def _summary(document: FakeDocument) -> DocumentSummary:
    return DocumentSummary(
        **document.ref.model_dump(),
        media_type="text/plain",
        bytes=len(document.text.encode()),
        chunks=1,
        updated_at="2026-01-01T00:00:00Z",
    )
