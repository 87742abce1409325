"""A chunk index in memory, and the records that tests fill it, or the real one, with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from kit.contracts.documents import DocumentRef
from kit.principal import Principal
from kit.tables import POSTING
from kit.text import terms
from rag_api.core.ports import Neighbour, Passage, Postings, Survey, Vectors, VectorSpace


@dataclass(frozen=True)
class ChunkRecord:
    """A document of one chunk. A record without a model has no vector."""

    text: str
    vector: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    tenant: str = "acme"
    collection: str = "docs"
    allow: tuple[str, ...] = ("tenant",)
    model: str | None = "model"
    path: str = "page.md"

    @property
    def terms(self) -> list[str]:
        return terms(self.text)

    @property
    def scope(self) -> tuple[str, str, tuple[str, ...]]:
        return (self.tenant, self.collection, self.allow)

    @property
    def direction(self) -> Vectors:
        vector = np.asarray(self.vector, dtype=np.float32)
        return np.asarray(vector / np.linalg.norm(vector))


class FakeChunkIndex:
    """Implements rag_api.core.ports.ChunkIndex. A chunk's id is its record's number, from 1."""

    def __init__(self, records: Sequence[ChunkRecord]) -> None:
        self._records = dict(enumerate(records, start=1))
        self._refs = {
            number: DocumentRef(id=uuid4(), path=record.path, title=record.path, collection=record.collection)
            for number, record in self._records.items()
        }

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[FakeChunkReader]:
        entries = set(principal.access_entries)
        readable = {
            number: record
            for number, record in self._records.items()
            if record.tenant == principal.tenant and entries & set(record.allow)
        }
        yield FakeChunkReader(readable, self._refs)


class FakeChunkReader:
    def __init__(self, records: dict[int, ChunkRecord], refs: dict[int, DocumentRef]) -> None:
        self._records = records
        self._refs = refs

    async def survey(self, *, collection: str | None, terms: Sequence[str]) -> Survey | None:
        found = {n: r for n, r in self._records.items() if collection in {None, r.collection}}
        if not found and collection is not None:
            return None
        return Survey(
            chunks=len(found),
            tokens=sum(len(record.terms) for record in found.values()),
            spaces=_spaces(found),
            postings={term: block for term in terms if len(block := _postings(found, term))},
        )

    async def nearest(
        self, space: VectorSpace, vector: Vectors, *, limit: int, including: Sequence[int] = ()
    ) -> list[Neighbour]:
        cosines = {
            number: float(record.direction @ vector)
            for number, record in self._records.items()
            if record.model == space.model and scope_number(record) in space.scope_ids
        }
        ranked = sorted(cosines, key=lambda number: (-cosines[number], number))
        chosen = {*ranked[:limit], *including}
        return [Neighbour(number, cosines[number]) for number in ranked if number in chosen]

    async def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        return [self._passage(chunk_id) for chunk_id in chunk_ids if chunk_id in self._records]

    def _passage(self, chunk_id: int) -> Passage:
        text = self._records[chunk_id].text
        return Passage(chunk_id, self._refs[chunk_id], heading="", text=text, start=0, end=len(text))


def scope_number(record: ChunkRecord) -> int:
    return hash(record.scope)


def _spaces(records: dict[int, ChunkRecord]) -> tuple[VectorSpace, ...]:
    by_model: defaultdict[str, list[ChunkRecord]] = defaultdict(list)
    for record in records.values():
        if record.model is not None:
            by_model[record.model].append(record)
    return tuple(
        VectorSpace(
            model_id=number,
            model=model,
            dimensions=len(group[0].vector),
            scope_ids=tuple({scope_number(record) for record in group}),
            chunks=len(group),
            indexed=0,
        )
        for number, (model, group) in enumerate(by_model.items(), start=1)
    )


def _postings(records: dict[int, ChunkRecord], term: str) -> Postings:
    found = [
        (number, frequency, len(record.terms))
        for number, record in records.items()
        if (frequency := Counter(record.terms)[term])
    ]
    return np.array(found, dtype=POSTING)
