"""Rights are rows in Postgres: these tests speak SQL as the services' own roles."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.db import Database, PrivilegedRole
from kit.principal import Principal
from migrations import role_url

pytestmark = pytest.mark.integration

ALICE = Principal("alice", "acme", ("engineering",))
BOB = Principal("bob", "acme", ("finance",))
EVE = Principal("eve", "globex")
PATHS = {
    "everyone.md": ["tenant"],
    "engineering.md": ["group:engineering"],
    "finance.md": ["group:finance"],
    "both.md": ["group:engineering", "group:finance"],
    "alice.md": ["user:alice"],
}
SCOPED = ["documents", "segments", "chunks", "embeddings", "postings"]


@pytest.fixture
async def ingest(postgres_admin_url: str) -> AsyncIterator[Database]:
    database = Database(role_url(postgres_admin_url, "slipway_ingest"), name="test")
    yield database
    await database.aclose()


@pytest.fixture
async def reader(postgres_admin_url: str) -> AsyncIterator[Database]:
    database = Database(role_url(postgres_admin_url, "slipway_rag_api"), name="test")
    yield database
    await database.aclose()


@pytest.fixture
async def collection(ingest: Database) -> AsyncIterator[str]:
    """A collection of acme with one document for each access list; afterwards it is gone."""
    name = f"c-{uuid.uuid4().hex[:8]}"
    async with ingest.transaction(tenant="acme", entries=[]) as connection:
        collection_id = await connection.scalar(
            text("INSERT INTO rag.collections (tenant, name) VALUES ('acme', :name) RETURNING id"),
            {"name": name},
        )
        for path, allow in PATHS.items():
            await _add_document(connection, collection_id, path, sorted(allow))
    yield name
    async with ingest.transaction(tenant="acme", entries=[]) as connection:
        for statement in (
            "DELETE FROM rag.documents WHERE collection_id = :id",
            "DELETE FROM rag.postings WHERE scope_id IN (SELECT id FROM rag.scopes WHERE collection_id = :id)",
            "DELETE FROM rag.segments WHERE scope_id IN (SELECT id FROM rag.scopes WHERE collection_id = :id)",
            "DELETE FROM rag.scopes WHERE collection_id = :id",
            "DELETE FROM rag.collections WHERE id = :id",
        ):
            await connection.execute(text(statement), {"id": collection_id})


async def _add_document(connection: AsyncConnection, collection_id: int, path: str, allow: list[str]) -> None:
    values = {"collection": collection_id, "path": path, "allow": allow, "id": uuid.uuid4()}
    values["scope"] = await connection.scalar(
        text(
            "INSERT INTO rag.scopes (tenant, collection_id, allow, chunks, tokens)"
            " VALUES ('acme', :collection, :allow, 1, 1) RETURNING id"
        ),
        values,
    )
    values["segment"] = await connection.scalar(
        text("INSERT INTO rag.segments (scope_id, chunks) VALUES (:scope, 1) RETURNING id"), values
    )
    values["model"] = await connection.scalar(
        text(
            "INSERT INTO rag.embedding_models (name, dimensions) VALUES ('policy-test', 3)"
            " ON CONFLICT (name) DO NOTHING RETURNING id"
        )
    ) or await connection.scalar(text("SELECT id FROM rag.embedding_models WHERE name = 'policy-test'"))
    await connection.execute(
        text(
            "INSERT INTO rag.documents (id, collection_id, scope_id, source, path, title, media_type,"
            " content_hash, text, bytes) VALUES (:id, :collection, :scope, 's', :path, :path, 'text/plain', '', 'x', 1)"
        ),
        values,
    )
    values["chunk"] = await connection.scalar(
        text(
            "INSERT INTO rag.chunks (document_id, scope_id, segment_id, ordinal, start_offset, end_offset, heading,"
            " text, tokens) VALUES (:id, :scope, :segment, 0, 0, 1, '', 'x', 1) RETURNING id"
        ),
        values,
    )
    await connection.execute(
        text("INSERT INTO rag.embeddings VALUES (:chunk, :model, :scope, CAST('[1,2,3]' AS halfvec))"), values
    )
    await connection.execute(
        text("INSERT INTO rag.postings VALUES (:scope, 'x', :segment, decode(repeat('00', 12), 'hex'))"),
        values,
    )


async def _visible(database: Database, principal: Principal, collection: str) -> set[str]:
    async with database.transaction(tenant=principal.tenant, entries=principal.access_entries) as connection:
        rows = await connection.scalars(
            text(
                "SELECT path FROM rag.documents d JOIN rag.collections c ON c.id = d.collection_id WHERE name = :n"
            ),
            {"n": collection},
        )
        return set(rows)


@pytest.mark.parametrize(
    ("principal", "paths"),
    [
        (ALICE, {"everyone.md", "engineering.md", "both.md", "alice.md"}),
        (BOB, {"everyone.md", "finance.md", "both.md"}),
        (EVE, set()),
        (Principal("alice", "globex", ("engineering",)), set()),
        (Principal("carol", "acme"), {"everyone.md"}),
        # Names that try to be more than a name.
        (Principal("x", "acme", ("a,tenant,group:finance",)), {"everyone.md"}),
        (Principal('x","group:finance', "acme", ('b"}',)), {"everyone.md"}),
    ],
    ids=lambda value: value.subject if isinstance(value, Principal) else "",
)
async def test_a_principal_sees_the_documents_of_its_entries(
    reader: Database, collection: str, principal: Principal, paths: set[str]
) -> None:
    assert await _visible(reader, principal, collection) == paths


@pytest.mark.parametrize("table", [*SCOPED, "scopes", "collections"])
async def test_every_table_hides_what_the_caller_may_not_read(
    reader: Database, collection: str, table: str
) -> None:
    async with reader.transaction(tenant="acme", entries=ALICE.access_entries) as connection:
        assert await connection.scalar(text(f"SELECT count(*) FROM rag.{table}"))
    async with reader.transaction(tenant="globex", entries=EVE.access_entries) as connection:
        assert await connection.scalar(text(f"SELECT count(*) FROM rag.{table}")) == 0


@pytest.mark.parametrize("table", [*SCOPED, "scopes", "collections"])
async def test_without_a_tenant_there_are_no_rows(reader: Database, collection: str, table: str) -> None:
    async with reader.transaction(tenant="acme", entries=[]) as connection:
        assert await connection.scalar(text(f"SELECT count(*) FROM rag.{table}")) == 0
        await connection.execute(
            text("SELECT set_config('app.tenant', '', true), set_config('app.principals', '', true)")
        )
        assert await connection.scalar(text(f"SELECT count(*) FROM rag.{table}")) == 0


async def test_rights_end_with_the_transaction(reader: Database, collection: str) -> None:
    assert await _visible(reader, ALICE, collection)
    async with reader._engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM rag.documents")) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO rag.collections (tenant, name) VALUES ('acme', 'mine')",
        "UPDATE rag.scopes SET allow = '{tenant}'",
        "DELETE FROM rag.documents",
        "ALTER TABLE rag.documents DISABLE ROW LEVEL SECURITY",
        "DROP POLICY readable ON rag.documents",
        "SET ROLE slipway_ingest",
        "SELECT rag.create_embedding_index(1::smallint)",
        "CREATE TABLE rag.copy AS SELECT * FROM rag.documents",
    ],
)
async def test_the_reading_role_can_change_nothing(reader: Database, statement: str) -> None:
    with pytest.raises(DBAPIError):
        async with reader.transaction(tenant="acme", entries=ALICE.access_entries) as connection:
            await connection.execute(text(statement))


async def test_the_writing_role_cannot_touch_another_tenant(ingest: Database, collection: str) -> None:
    async with ingest.transaction(tenant="globex", entries=[]) as connection:
        result = await connection.execute(text("DELETE FROM rag.documents"))
        assert result.rowcount == 0
    with pytest.raises(DBAPIError, match="row-level security"):
        async with ingest.transaction(tenant="globex", entries=[]) as connection:
            await connection.execute(
                text("INSERT INTO rag.collections (tenant, name) VALUES ('acme', 'theirs')")
            )


async def test_a_role_that_could_see_everything_is_refused(postgres_admin_url: str) -> None:
    owner = Database(postgres_admin_url, name="test")
    with pytest.raises(PrivilegedRole, match="row-level security"):
        await owner.ping()
    await owner.aclose()
