"""The index in Postgres. A run holds one connection: its lock and its writes live and die together."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ingest.adapters import copying
from ingest.adapters.changes import ChangeSet
from ingest.adapters.models import model_id
from ingest.core.documents import Change, CollectionBusy, Known, Vectors, searchable
from ingest.core.ports import Collection, Progress
from kit.db import Database, DatabaseUnavailable, PrivilegedRole
from kit.errors import AppError

LOCK_POLL_SECONDS = 0.2

_KNOWN = """
SELECT d.path, d.id, d.content_hash, s.allow, d.fingerprint
FROM rag.documents d JOIN rag.scopes s ON s.id = d.scope_id JOIN rag.collections c ON c.id = d.collection_id
WHERE c.name = $1 AND d.source = $2
"""
_ACTIVE_MODEL = """
SELECT m.name FROM rag.collections c JOIN rag.embedding_models m ON m.id = c.embedding_model_id WHERE c.name = $1
"""
_OPEN_COLLECTION = """
INSERT INTO rag.collections (tenant, name) VALUES (current_setting('app.tenant'), $1)
ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name RETURNING id
"""
_UNEMBEDDED = """
SELECT c.id, d.title, c.heading, c.text
FROM rag.collections o JOIN rag.documents d ON d.collection_id = o.id JOIN rag.chunks c ON c.document_id = d.id
WHERE o.name = $1 AND NOT EXISTS (
    SELECT FROM rag.embeddings e JOIN rag.embedding_models m ON m.id = e.model_id
    WHERE e.chunk_id = c.id AND m.name = $2
)
ORDER BY c.id LIMIT $3
"""
_DROP_OTHER_VECTORS = """
DELETE FROM rag.embeddings
WHERE model_id = ANY (SELECT id FROM rag.embedding_models WHERE name <> $2)
AND scope_id = ANY (ARRAY(
    SELECT s.id FROM rag.scopes s JOIN rag.collections c ON c.id = s.collection_id WHERE c.name = $1
))
"""


_OUTAGES = ("08", "53", "57")
"""SQLSTATE classes: connection, resources, operator intervention."""


class DatabaseRefused(AppError):
    """Postgres answers but will not do this: a wrong password or role, a missing migration, a broken row."""

    code = "postgres_refused"


class Interrupted(DatabaseUnavailable):
    """The connection that holds the collection is gone, so another run may have begun."""


@dataclass(frozen=True, slots=True)
class WaitingChunk:
    """A chunk without a vector of some model."""

    chunk_id: int
    passage: str


class PostgresStore:
    """DocumentStore as role slipway_ingest. `database` must have a pool of one connection."""

    def __init__(
        self,
        database: Database,
        *,
        progress: Progress,
        lock_timeout_seconds: float,
        index_timeout_seconds: float,
    ) -> None:
        self._database = database
        self._progress = progress
        self._lock_timeout_seconds = lock_timeout_seconds
        self._index_timeout_seconds = index_timeout_seconds

    async def known(self, tenant: str, collection: str, source: str) -> Mapping[str, Known]:
        async with raw_transaction(self._database, tenant) as connection:
            return await _known(connection, collection, source)

    @asynccontextmanager
    async def open(self, tenant: str, collection: str) -> AsyncIterator[Collection]:
        key = _lock_key(tenant, collection)
        holder = await self._lock(tenant, collection, key)
        try:
            yield PostgresCollection(
                self._database, holder, tenant, collection, index_timeout_seconds=self._index_timeout_seconds
            )
        finally:
            if not holder.is_closed():
                async with raw_transaction(self._database, tenant) as connection:
                    await connection.execute("SELECT pg_advisory_unlock($1)", key)

    async def _lock(self, tenant: str, collection: str, key: int) -> Any:
        """Return the connection that holds the lock, once no other run holds it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lock_timeout_seconds
        waiting = False
        while True:
            async with raw_transaction(self._database, tenant) as connection:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                    return connection
            if loop.time() > deadline:
                raise CollectionBusy(
                    f"Another run has been working on collection {collection!r} for more than"
                    f" {self._lock_timeout_seconds:.0f} s. Run this again when it is done."
                )
            if not waiting:
                self._progress.note(
                    f"Another run works on collection {collection!r}; waiting for it to end …"
                )
                waiting = True
            await asyncio.sleep(LOCK_POLL_SECONDS)


class PostgresCollection:
    """Collection on the connection `holder`, which has its lock."""

    def __init__(
        self, database: Database, holder: Any, tenant: str, name: str, *, index_timeout_seconds: float
    ) -> None:
        self._database = database
        self._holder = holder
        self._tenant = tenant
        self._name = name
        self._index_timeout_seconds = index_timeout_seconds

    async def model(self) -> str | None:
        async with self._transaction() as connection:
            return await connection.fetchval(_ACTIVE_MODEL, self._name)  # type: ignore[no-any-return]

    async def known(self, source: str) -> Mapping[str, Known]:
        async with self._transaction() as connection:
            return await _known(connection, self._name, source)

    async def apply(self, changes: Sequence[Change], model: str) -> None:
        async with self._transaction() as connection:
            collection_id = await connection.fetchval(_OPEN_COLLECTION, self._name)
            await ChangeSet(connection, self._tenant, collection_id, model).apply(changes)

    async def unembedded(self, model: str, limit: int) -> Sequence[WaitingChunk]:
        async with self._transaction() as connection:
            rows = await connection.fetch(_UNEMBEDDED, self._name, model, limit)
        return [WaitingChunk(id_, searchable(title, heading, text)) for id_, title, heading, text in rows]

    async def add_vectors(self, model: str, chunk_ids: Sequence[int], vectors: Vectors) -> None:
        async with self._transaction() as connection:
            number = await model_id(connection, model, vectors.shape[1])
            scopes = dict(
                await connection.fetch("SELECT id, scope_id FROM rag.chunks WHERE id = ANY($1)", chunk_ids)
            )
            await copying.insert_embeddings(
                connection, number, chunk_ids, [scopes[chunk_id] for chunk_id in chunk_ids], vectors
            )

    async def finish(self, model: str) -> None:
        async with self._transaction() as connection:
            number = await connection.fetchval("SELECT id FROM rag.embedding_models WHERE name = $1", model)
            if number is not None:
                await self._create_index(connection, number)
                await connection.execute(
                    "UPDATE rag.collections SET embedding_model_id = $2"
                    " WHERE name = $1 AND embedding_model_id IS DISTINCT FROM $2",
                    self._name,
                    number,
                )
                await connection.execute(_DROP_OTHER_VECTORS, self._name, model)
            await connection.execute(
                "DELETE FROM rag.collections c WHERE c.name = $1"
                " AND NOT EXISTS (SELECT FROM rag.scopes s WHERE s.collection_id = c.id)",
                self._name,
            )

    async def _create_index(self, connection: Any, number: int) -> None:
        # CREATE INDEX IF NOT EXISTS would first wait for every writer, also when there is nothing to do.
        name = f"rag.embeddings_model_{number}_hnsw"
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            return
        milliseconds = str(int(self._index_timeout_seconds * 1000))
        await connection.execute("SELECT set_config('statement_timeout', $1, true)", milliseconds)
        await connection.execute("SELECT rag.create_embedding_index($1)", number)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with raw_transaction(self._database, self._tenant) as connection:
            if connection is not self._holder:
                raise Interrupted("The connection to the database was lost. Run this again; it continues.")
            yield connection


@asynccontextmanager
async def raw_transaction(database: Database, tenant: str) -> AsyncIterator[Any]:
    """Give the asyncpg connection of a transaction: COPY is beyond SQLAlchemy.

    Errors: DatabaseUnavailable; DatabaseRefused for what will not mend by itself.
    """
    from asyncpg import InterfaceError, PostgresError
    from sqlalchemy.exc import DBAPIError

    try:
        async with database.transaction(tenant=tenant, entries=[]) as connection:
            yield (await connection.get_raw_connection()).driver_connection
    except InterfaceError as error:
        raise DatabaseUnavailable(
            "The connection to the database was lost. Run this again; it continues."
        ) from error
    except PostgresError as error:
        if (error.sqlstate or "").startswith(_OUTAGES):
            raise DatabaseUnavailable(
                f"The database stopped: {error}. Run this again; it continues."
            ) from error
        raise DatabaseRefused(f"The database refused a statement: {error}.") from error
    except PrivilegedRole as error:
        raise DatabaseRefused(str(error)) from error
    except DBAPIError as error:
        raise DatabaseRefused(f"The database refused: {error.orig}. Check DATABASE_URL.") from error


async def _known(connection: Any, collection: str, source: str) -> dict[str, Known]:
    rows = await connection.fetch(_KNOWN, collection, source)
    return {path: Known(id_, hash_, tuple(allow), mark) for path, id_, hash_, allow, mark in rows}


def _lock_key(tenant: str, collection: str) -> int:
    digest = hashlib.sha256(f"slipway ingest\0{tenant}\0{collection}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
