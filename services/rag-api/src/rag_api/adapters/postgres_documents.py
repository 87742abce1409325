"""Documents in Postgres. Row-level security decides which of them a query sees."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, tuple_

from kit.contracts.documents import DocumentDetail, DocumentSummary
from kit.db import Database
from kit.principal import Principal
from kit.tables import chunks, collections, documents
from rag_api.core.documents import Position
from rag_api.core.search import CollectionNotFound

_CHUNKS = (
    select(func.count())
    .where(chunks.c.document_id == documents.c.id)
    .correlate(documents)
    .scalar_subquery()
    .label("chunks")
)


class PostgresDocuments:
    """Implements rag_api.core.documents.DocumentStore. One call is one transaction for one caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, principal: Principal, *, collection: str | None, after: Position | None, limit: int
    ) -> list[DocumentSummary]:
        statement = _summaries().order_by(documents.c.path, documents.c.id).limit(limit)
        if after:
            statement = statement.where(tuple_(documents.c.path, documents.c.id) > after)
        async with self._acting_for(principal) as connection:
            if collection is not None:
                known = select(collections.c.id).where(collections.c.name == collection)
                collection_id = await connection.scalar(known)
                if collection_id is None:
                    raise CollectionNotFound(f"There is no collection {collection!r} that you may read.")
                statement = statement.where(documents.c.collection_id == collection_id)
            rows = (await connection.execute(statement)).all()
        return [DocumentSummary(**_fields(row)) for row in rows]

    async def get(self, principal: Principal, document_id: UUID) -> DocumentDetail | None:
        statement = _summaries().add_columns(documents.c.text).where(documents.c.id == document_id)
        async with self._acting_for(principal) as connection:
            row = (await connection.execute(statement)).one_or_none()
        return row and DocumentDetail(**_fields(row))

    def _acting_for(self, principal: Principal) -> Any:
        return self._database.transaction(tenant=principal.tenant, entries=principal.access_entries)


def _summaries() -> Select[Any]:
    return select(
        documents.c.id,
        documents.c.path,
        documents.c.title,
        collections.c.name.label("collection"),
        documents.c.media_type,
        documents.c.bytes,
        documents.c.updated_at,
        _CHUNKS,
    ).join(collections, collections.c.id == documents.c.collection_id)


def _fields(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row as a mapping
