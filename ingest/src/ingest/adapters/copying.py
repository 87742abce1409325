"""Bulk writes: binary COPY into a temporary table, then one INSERT … SELECT.

Postgres refuses COPY straight into a table under row-level security, and these tables are never without it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.core.documents import Vectors

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

_STAGES = {
    "documents": """
        id uuid, collection_id integer, scope_id integer, source text, path text, title text, media_type text,
        content_hash bytea, text text STORAGE EXTERNAL, bytes bigint, fingerprint text""",
    "chunks": """
        id bigint, document_id uuid, scope_id integer, segment_id integer, ordinal integer, start_offset integer,
        end_offset integer, heading text, text text, tokens integer""",
    "embeddings": "chunk_id bigint, model_id smallint, scope_id integer, embedding halfvec",
}


async def insert_records(connection: Any, table: str, records: Iterable[Sequence[object]]) -> None:
    """Insert rows into rag.TABLE, once a transaction; their columns are those of its stage above."""
    await _stage(connection, table)
    await connection.copy_records_to_table(f"new_{table}", records=records, schema_name="pg_temp")
    await _move(connection, table)


async def insert_embeddings(
    connection: Any,
    model_id: int,
    chunk_ids: Sequence[int],
    scope_ids: Sequence[int],
    vectors: Vectors,
) -> None:
    """Insert a row for each chunk. `vectors`: (chunks, dimensions) float32."""
    await _stage(connection, "embeddings")
    rows = embedding_rows(model_id, chunk_ids, scope_ids, vectors)
    await connection.copy_to_table(
        "new_embeddings", source=io.BytesIO(rows), format="binary", schema_name="pg_temp"
    )
    await _move(connection, "embeddings")


def embedding_rows(
    model_id: int, chunk_ids: Sequence[int], scope_ids: Sequence[int], vectors: Vectors
) -> bytes:
    """Return the rows in COPY's binary format; all have one size, so numpy lays them out at once.

    Sources: https://www.postgresql.org/docs/18/sql-copy.html (File Formats, Binary Format) and pgvector's
    halfvec_send: int16 dimensions, int16 unused, then big-endian float16.
    """
    dimensions = vectors.shape[1]
    rows = np.zeros(len(chunk_ids), _row_type(dimensions))
    rows["fields"] = 4
    for name, size in (("chunk", 8), ("model", 2), ("scope", 4), ("embedding", 4 + 2 * dimensions)):
        rows[f"{name}_bytes"] = size
    rows["chunk"], rows["model"], rows["scope"] = chunk_ids, model_id, scope_ids
    rows["dimensions"], rows["embedding"] = dimensions, vectors
    return _HEADER + rows.tobytes() + _TRAILER


def _row_type(dimensions: int) -> npt.DTypeLike:
    return np.dtype(
        [
            ("fields", ">i2"),
            ("chunk_bytes", ">i4"),
            ("chunk", ">i8"),
            ("model_bytes", ">i4"),
            ("model", ">i2"),
            ("scope_bytes", ">i4"),
            ("scope", ">i4"),
            ("embedding_bytes", ">i4"),
            ("dimensions", ">i2"),
            ("unused", ">i2"),
            ("embedding", ">f2", (dimensions,)),
        ]
    )


async def _stage(connection: Any, table: str) -> None:
    await connection.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS new_{table} ({_STAGES[table]}) ON COMMIT DELETE ROWS"
    )


async def _move(connection: Any, table: str) -> None:
    names = ", ".join(column.split()[0] for column in _STAGES[table].split(","))
    await connection.execute(f"INSERT INTO rag.{table} ({names}) SELECT * FROM new_{table}")  # noqa: S608 - our names
