"""One transaction's worth of changes to the index: first everything that leaves, then everything that arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

import numpy as np

from ingest.adapters import copying, postings
from ingest.adapters.models import model_id
from ingest.adapters.postings import Indexed
from ingest.core.documents import Allow, Change, Document, Move, Put, searchable
from kit.text import terms

_CHUNKS_OF = """
SELECT c.id, c.scope_id, c.segment_id, c.tokens, d.title, c.heading, c.text, d.id AS document_id
FROM rag.chunks c JOIN rag.documents d ON d.id = c.document_id
WHERE d.id = ANY($1) ORDER BY c.id
"""
_SCOPE = """
INSERT INTO rag.scopes (tenant, collection_id, allow) VALUES ($1, $2, $3)
ON CONFLICT (collection_id, allow) DO UPDATE SET allow = excluded.allow RETURNING id
"""
_CHUNK_IDS = """
SELECT ARRAY(
    SELECT nextval(CAST((SELECT pg_get_serial_sequence('rag.chunks', 'id')) AS regclass)) FROM generate_series(1, $1)
)
"""
_FIRST_MODEL = (
    "UPDATE rag.collections SET embedding_model_id = $2 WHERE id = $1 AND embedding_model_id IS NULL"
)
_MOVE_DOCUMENTS = """
UPDATE rag.documents SET scope_id = new.scope_id
FROM unnest($1::uuid[], $2::integer[]) AS new (id, scope_id) WHERE documents.id = new.id
"""
_MOVE_CHUNKS = """
UPDATE rag.chunks SET scope_id = new.scope_id, segment_id = new.segment_id
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS new (id, scope_id, segment_id) WHERE chunks.id = new.id
"""
_MOVE_EMBEDDINGS = """
UPDATE rag.embeddings SET scope_id = new.scope_id
FROM unnest($1::bigint[], $2::integer[]) AS new (id, scope_id) WHERE chunk_id = new.id
"""
_COUNT = "UPDATE rag.scopes SET chunks = chunks + $2, tokens = tokens + $3 WHERE id = $1"
_DROP_EMPTY_SCOPES = """
DELETE FROM rag.scopes s WHERE id = ANY($1) AND NOT EXISTS (SELECT FROM rag.documents d WHERE d.scope_id = s.id)
"""


@dataclass(slots=True)
class _Arrival:
    """A chunk on its way into a scope."""

    id: int
    scope_id: int
    passage: str
    segment_id: int = 0
    terms: Sequence[str] = field(default_factory=list)


class ChangeSet:
    """Applies changes to one collection, once, on an asyncpg connection in a transaction."""

    def __init__(self, connection: Any, tenant: str, collection_id: int, model: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._collection_id = collection_id
        self._model = model
        self._scopes: dict[Allow, int] = {}
        self._new_segments: set[int] = set()
        self._chunks: Counter[int] = Counter()
        self._tokens: Counter[int] = Counter()

    async def apply(self, changes: Sequence[Change]) -> None:
        puts = [change for change in changes if isinstance(change, Put)]
        moves = {change.id: change.allow for change in changes if isinstance(change, Move)}
        touched = [change.document.id if isinstance(change, Put) else change.id for change in changes]
        leaving = await self._take_out(touched)
        await self._connection.execute(
            "DELETE FROM rag.documents WHERE id = ANY($1)", [id_ for id_ in touched if id_ not in moves]
        )
        await self._find_scopes({put.document.allow for put in puts} | set(moves.values()))
        moved = [
            _Arrival(row["id"], self._scopes[moves[row["document_id"]]], _passage(row))
            for row in leaving
            if row["document_id"] in moves
        ]
        new = await self._new_chunks(puts)
        arrivals = sorted([*moved, *new], key=lambda arrival: arrival.scope_id)
        # Python finds terms and packs blocks while Postgres writes rows: each has a core to itself.
        await asyncio.gather(asyncio.to_thread(_find_terms, arrivals), self._write_documents(puts, moves))
        await self._assign_segments(arrivals)
        blocks, _ = await asyncio.gather(
            asyncio.to_thread(_blocks, arrivals), self._write_chunks(puts, new, moved)
        )
        await postings.add(self._connection, blocks, self._new_segments)
        await self._count(arrivals)

    async def _take_out(self, document_ids: Sequence[UUID]) -> Sequence[Any]:
        """Take the documents' chunks out of the lexical index; return their rows."""
        rows: Sequence[Any] = await self._connection.fetch(_CHUNKS_OF, document_ids)
        await postings.remove(
            self._connection,
            [
                Indexed(row["id"], row["scope_id"], row["segment_id"], row["tokens"], _passage(row))
                for row in rows
            ],
        )
        for row in rows:
            self._chunks[row["scope_id"]] -= 1
            self._tokens[row["scope_id"]] -= row["tokens"]
        return rows

    async def _find_scopes(self, allows: set[Allow]) -> None:
        for allow in sorted(allows):
            self._scopes[allow] = await self._connection.fetchval(
                _SCOPE, self._tenant, self._collection_id, list(allow)
            )

    async def _new_chunks(self, puts: Sequence[Put]) -> list[_Arrival]:
        """Give the new documents' chunks their ids."""
        passages = [(put.document.allow, passage) for put in puts for passage in put.document.passages()]
        ids = await self._connection.fetchval(_CHUNK_IDS, len(passages))
        return [
            _Arrival(chunk_id, self._scopes[allow], passage)
            for chunk_id, (allow, passage) in zip(ids, passages, strict=True)
        ]

    async def _write_documents(self, puts: Sequence[Put], moves: dict[UUID, Allow]) -> None:
        records = [self._document_row(put.document) for put in puts]
        if records:
            await copying.insert_records(self._connection, "documents", records)
        if moves:
            scopes = [self._scopes[allow] for allow in moves.values()]
            await self._connection.execute(_MOVE_DOCUMENTS, list(moves), scopes)

    async def _assign_segments(self, arrivals: Sequence[_Arrival]) -> None:
        """Choose each chunk's segment. `arrivals` are ordered by scope."""
        for scope_id, group in groupby(arrivals, key=lambda arrival: arrival.scope_id):
            chunks = list(group)
            segments, are_new = await postings.assign_segments(self._connection, scope_id, len(chunks))
            if are_new:
                self._new_segments.update(segments)
            for chunk, segment_id in zip(chunks, segments, strict=True):
                chunk.segment_id = segment_id

    async def _write_chunks(
        self, puts: Sequence[Put], new: Sequence[_Arrival], moved: Sequence[_Arrival]
    ) -> None:
        if new:
            await copying.insert_records(self._connection, "chunks", _chunk_rows(puts, new))
            vectors = np.concatenate([put.vectors for put in puts])
            model = await model_id(self._connection, self._model, vectors.shape[1])
            await self._connection.execute(_FIRST_MODEL, self._collection_id, model)
            await copying.insert_embeddings(
                self._connection,
                model,
                [chunk.id for chunk in new],
                [chunk.scope_id for chunk in new],
                vectors,
            )
        if moved:
            ids, scopes = [chunk.id for chunk in moved], [chunk.scope_id for chunk in moved]
            segments = [chunk.segment_id for chunk in moved]
            await self._connection.execute(_MOVE_CHUNKS, ids, scopes, segments)
            await self._connection.execute(_MOVE_EMBEDDINGS, ids, scopes)

    async def _count(self, arrivals: Sequence[_Arrival]) -> None:
        for chunk in arrivals:
            self._chunks[chunk.scope_id] += 1
            self._tokens[chunk.scope_id] += len(chunk.terms)
        scopes = {*self._chunks, *self._scopes.values()}
        for scope_id in sorted(scopes):
            await self._connection.execute(_COUNT, scope_id, self._chunks[scope_id], self._tokens[scope_id])
        await self._connection.execute(_DROP_EMPTY_SCOPES, list(scopes))

    def _document_row(self, document: Document) -> tuple[object, ...]:
        return (
            document.id,
            self._collection_id,
            self._scopes[document.allow],
            document.source,
            document.path,
            document.title,
            document.media_type,
            document.content_hash,
            document.text,
            document.bytes,
            document.fingerprint,
        )


def _chunk_rows(puts: Sequence[Put], new: Sequence[_Arrival]) -> list[tuple[object, ...]]:
    places = [
        (put.document, ordinal, chunk) for put in puts for ordinal, chunk in enumerate(put.document.chunks)
    ]
    return [
        (
            arrival.id,
            document.id,
            arrival.scope_id,
            arrival.segment_id,
            ordinal,
            chunk.start,
            chunk.end,
            chunk.heading,
            document.text[chunk.start : chunk.end],
            len(arrival.terms),
        )
        for arrival, (document, ordinal, chunk) in zip(new, places, strict=True)
    ]


def _find_terms(arrivals: Sequence[_Arrival]) -> None:
    for arrival in arrivals:
        arrival.terms = terms(arrival.passage)


def _blocks(arrivals: Sequence[_Arrival]) -> list[postings.Row]:
    """Return the rows of the lexical index. `arrivals` are ordered by scope and, within it, by segment."""
    return [
        (scope_id, term, segment_id, block)
        for (scope_id, segment_id), group in groupby(
            arrivals, key=lambda chunk: (chunk.scope_id, chunk.segment_id)
        )
        for term, block in postings.blocks([(chunk.id, chunk.terms) for chunk in group])
    ]


def _passage(row: Any) -> str:
    return searchable(row["title"], row["heading"], row["text"])
