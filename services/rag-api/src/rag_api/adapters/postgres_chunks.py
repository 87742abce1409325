"""The chunk index in Postgres: pgvector for neighbours, posting blocks for BM25, row-level security for rights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from kit.contracts.documents import DocumentRef
from kit.db import Database
from kit.principal import Principal
from kit.tables import POSTING, chunks, collections, documents, embedding_models, embeddings, postings, scopes
from rag_api.core.ports import Neighbour, Passage, Postings, Survey, Vectors, VectorSpace

_Row = Row[*tuple[Any, ...]]

CHUNKS_COMPARED_PER_STEP = 50
"""Chunks that an exact scan compares in the time that HNSW takes to come by one more row (1 and 50 µs)."""

# With pgvector's defaults the filter sees ef_search rows and no more, most of which are someone else's.
# The planner must not sort instead: it does not know how many rows the caller may read.
_WALK_THE_GRAPH = text(
    "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),"
    " set_config('hnsw.ef_search', '200', true),"
    " set_config('hnsw.max_scan_tuples', '1000000', true),"
    " set_config('hnsw.scan_mem_multiplier', '4', true),"
    " set_config('enable_sort', 'off', true)"
)


class PostgresChunkIndex:
    """Implements rag_api.core.ports.ChunkIndex. A reading is one transaction for one caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[PostgresChunkReader]:
        transaction = self._database.transaction(tenant=principal.tenant, entries=principal.access_entries)
        async with transaction as connection:
            yield PostgresChunkReader(connection)


class PostgresChunkReader:
    """Implements rag_api.core.ports.ChunkReader. Row-level security sees to it that nothing else is read."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def survey(self, *, collection: str | None, terms: Sequence[str]) -> Survey | None:
        values = {"terms": list(terms), "collection": collection}
        rows = (await self._connection.execute(_survey_statement(collection is not None), values)).all()
        return _survey(rows) if rows or collection is None else None

    async def nearest(
        self, space: VectorSpace, vector: Vectors, *, limit: int, including: Sequence[int] = ()
    ) -> list[Neighbour]:
        values = {
            "vector": vector,
            "scopes": list(space.scope_ids),
            "limit": limit,
            "including": list(including),
        }
        rows: Sequence[_Row] = ()
        exact = is_scan_cheaper(space, limit)
        if not exact:
            await self._connection.execute(_WALK_THE_GRAPH)
            rows = await self._neighbours(space, values, exact=False)
            # What was indexed amid near duplicates can be an island that no walk reaches.
            exact = sum(row.is_near for row in rows) < min(limit, space.chunks)
        if exact:
            rows = await self._neighbours(space, values, exact=True)
        cosines = {row.chunk_id: 1.0 - row.distance for row in rows}
        ranked = sorted(cosines.items(), key=lambda item: (-item[1], item[0]))
        return [Neighbour(chunk_id, cosine) for chunk_id, cosine in ranked]

    async def _neighbours(self, space: VectorSpace, values: dict[str, Any], *, exact: bool) -> Sequence[_Row]:
        statement = _nearest_statement(space.model_id, space.dimensions, exact)
        return (await self._connection.execute(statement, values)).all()

    async def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        rows = await self._connection.execute(_PASSAGES, {"ids": list(chunk_ids)})
        found = {row.id: _passage(row) for row in rows}
        return [found[chunk_id] for chunk_id in chunk_ids if chunk_id in found]


def is_scan_cheaper(space: VectorSpace, limit: int) -> bool:
    """Whether to compare all of `space` (exact) rather than walk the HNSW graph.

    The walk has to pass indexed / chunks rows for each one that it may return.
    """
    walked = limit * max(space.indexed, space.chunks) / max(space.chunks, 1)
    return space.chunks <= CHUNKS_COMPARED_PER_STEP * walked


@lru_cache
def _survey_statement(named: bool) -> Executable:
    """One row for each scope and posting block. MATERIALIZED: pg_class is asked once a scope, not once a block."""
    index = func.to_regclass(func.format("rag.embeddings_model_%s_hnsw", embedding_models.c.id))
    readable = (
        select(
            scopes.c.id.label("scope_id"),
            scopes.c.chunks,
            scopes.c.tokens,
            embedding_models.c.id.label("model_id"),
            embedding_models.c.name.label("model"),
            embedding_models.c.dimensions,
            select(literal_column("reltuples"))
            .select_from(text("pg_class"))
            .where(literal_column("oid") == index)
            .scalar_subquery()
            .label("indexed"),
        )
        .join(collections, collections.c.id == scopes.c.collection_id)
        .outerjoin(embedding_models, embedding_models.c.id == collections.c.embedding_model_id)
    )
    if named:
        readable = readable.where(collections.c.name == bindparam("collection", type_=Text))
    scope = readable.cte("readable").prefix_with("MATERIALIZED", dialect="postgresql")
    wanted = and_(
        postings.c.scope_id == scope.c.scope_id,
        postings.c.term == any_(bindparam("terms", type_=ARRAY(Text))),
    )
    return select(scope, postings.c.term, postings.c.block).outerjoin(postings, wanted)


@lru_cache
def _nearest_statement(model_id: int, dimensions: int, exact: bool) -> Executable:
    """The nearest rows (is_near), and those asked for by id.

    The partial index is used only for a literal model_id and its own expression. Without the cast there is no index
    for the order, and the scan is exact.
    """
    vector = bindparam("vector", type_=HALFVEC(dimensions))
    ordered = embeddings.c.embedding if exact else cast(embeddings.c.embedding, HALFVEC(dimensions))
    readable = and_(
        embeddings.c.model_id == literal_column(str(int(model_id))),
        embeddings.c.scope_id == any_(bindparam("scopes", type_=ARRAY(Integer))),
    )
    distance: ColumnElement[float] = ordered.op("<=>", return_type=Double())(vector).label("distance")
    nearest = (
        select(embeddings.c.chunk_id, distance, true().label("is_near"))
        .where(readable)
        .order_by(distance, *([embeddings.c.chunk_id] if exact else []))
        .limit(bindparam("limit", type_=Integer))
        .subquery()
    )
    by_id = select(embeddings.c.chunk_id, distance, false().label("is_near")).where(
        readable, embeddings.c.chunk_id == any_(bindparam("including", type_=ARRAY(BigInteger)))
    )
    return union_all(select(nearest), by_id)


_PASSAGES = (
    select(
        chunks.c.id,
        chunks.c.heading,
        chunks.c.text,
        chunks.c.start_offset,
        chunks.c.end_offset,
        documents.c.id.label("document_id"),
        documents.c.path,
        documents.c.title,
        collections.c.name.label("collection"),
    )
    .join(documents, documents.c.id == chunks.c.document_id)
    .join(collections, collections.c.id == documents.c.collection_id)
    .where(chunks.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
)


def _survey(rows: Sequence[_Row]) -> Survey:
    by_scope = {row.scope_id: row for row in rows}
    by_model = defaultdict(list)
    for row in by_scope.values():
        if row.model_id is not None and row.chunks:
            by_model[row.model_id].append(row)
    blocks: dict[str, list[bytes]] = defaultdict(list)
    for row in rows:
        if row.term is not None:
            blocks[row.term].append(row.block)
    return Survey(
        chunks=sum(row.chunks for row in by_scope.values()),
        tokens=sum(row.tokens for row in by_scope.values()),
        spaces=tuple(_space(group) for group in by_model.values()),
        postings={term: _postings(parts) for term, parts in blocks.items()},
    )


def _space(rows: list[_Row]) -> VectorSpace:
    return VectorSpace(
        model_id=rows[0].model_id,
        model=rows[0].model,
        dimensions=rows[0].dimensions,
        scope_ids=tuple(row.scope_id for row in rows),
        chunks=sum(row.chunks for row in rows),
        indexed=max(int(rows[0].indexed or 0), 0),
    )


def _postings(blocks: list[bytes]) -> Postings:
    return np.frombuffer(b"".join(blocks), dtype=POSTING)


def _passage(row: _Row) -> Passage:
    return Passage(
        chunk_id=row.id,
        document=DocumentRef(id=row.document_id, path=row.path, title=row.title, collection=row.collection),
        heading=row.heading,
        text=row.text,
        start=row.start_offset,
        end=row.end_offset,
    )
