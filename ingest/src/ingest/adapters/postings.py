"""The lexical index in Postgres: segments of about a thousand chunks of one scope, a block of postings for a term.

A chunk that goes is cut out of its terms' blocks in place. A chunk that comes is appended to a segment with room.
The caller holds the collection and the transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from kit.tables import POSTING
from kit.text import terms

SEGMENT_CHUNKS_MAX = 1000
"""More make an update dearer (blocks are rewritten whole), fewer make a search dearer (more rows a term)."""

_COUNT_MAX = 65_535  # what a posting's two-byte numbers hold
_DTYPE = np.dtype(POSTING)

_FIND = "SELECT term, block FROM rag.postings WHERE scope_id = $1 AND segment_id = $2 AND term = ANY($3)"
_FIND_ALL = "SELECT term, block FROM rag.postings WHERE scope_id = $1 AND segment_id = $2"
_DELETE = "DELETE FROM rag.postings WHERE scope_id = $1 AND segment_id = $2 AND term = ANY($3)"
_UPDATE = """
UPDATE rag.postings SET block = new.block
FROM unnest($3::text[], $4::bytea[]) AS new (term, block)
WHERE scope_id = $1 AND segment_id = $2 AND postings.term = new.term
"""
_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS new_postings (scope_id integer, term text, segment_id integer, block bytea)
ON COMMIT DELETE ROWS
"""
_INSERT = """
INSERT INTO rag.postings (scope_id, term, segment_id, block)
SELECT * FROM new_postings WHERE segment_id = ANY($1)
"""
_APPEND = """
INSERT INTO rag.postings (scope_id, term, segment_id, block)
SELECT * FROM new_postings WHERE segment_id <> ALL($1)
ON CONFLICT (scope_id, term, segment_id) DO UPDATE SET block = postings.block || excluded.block
"""
_ROOM = """
SELECT id FROM rag.segments WHERE scope_id = $1 AND chunks + $2 <= $3 ORDER BY chunks LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A chunk as the index has it: `tokens` is the number of its search terms."""

    id: int
    scope_id: int
    segment_id: int
    tokens: int
    passage: str


Row = tuple[int, str, int, bytes]
"""Scope, term, segment, block."""


def blocks(chunks: Sequence[tuple[int, Sequence[str]]]) -> list[tuple[str, bytes]]:
    """Return each term of the chunks (id, terms) with its block, in order of the terms."""
    vocabulary: defaultdict[str, int] = defaultdict(count().__next__)
    words = chain.from_iterable(words for _, words in chunks)
    numbers = np.fromiter(map(vocabulary.__getitem__, words), dtype=np.int64)
    lengths = np.array([len(words) for _, words in chunks], dtype=np.int64)
    # One sort groups by term and, within it, by chunk.
    keys = numbers * len(chunks) + np.repeat(np.arange(len(chunks)), lengths)
    keys, frequencies = np.unique(keys, return_counts=True)
    term, position = np.divmod(keys, len(chunks))
    postings = np.empty(len(keys), _DTYPE)
    postings["chunk"] = np.array([chunk_id for chunk_id, _ in chunks], dtype=np.int64)[position]
    postings["frequency"] = np.minimum(frequencies, _COUNT_MAX)
    postings["length"] = np.minimum(lengths[position], _COUNT_MAX)
    packed = postings.tobytes()
    ends = np.searchsorted(term, np.arange(len(vocabulary)), side="right") * _DTYPE.itemsize
    starts = [0, *ends.tolist()[:-1]]
    return sorted(
        (word, packed[start:end]) for word, start, end in zip(vocabulary, starts, ends.tolist(), strict=False)
    )


async def assign_segments(connection: Any, scope_id: int, count: int) -> tuple[list[int], bool]:
    """Make room for `count` chunks of a scope; return the segment of each, and whether all of these are new."""
    segment = await connection.fetchval(_ROOM, scope_id, count, SEGMENT_CHUNKS_MAX)
    if segment is not None:
        await connection.execute("UPDATE rag.segments SET chunks = chunks + $2 WHERE id = $1", segment, count)
        return [segment] * count, False
    sizes = [min(SEGMENT_CHUNKS_MAX, count - done) for done in range(0, count, SEGMENT_CHUNKS_MAX)]
    rows = await connection.fetch(
        "INSERT INTO rag.segments (scope_id, chunks) SELECT $1, unnest($2::integer[]) RETURNING id, chunks",
        scope_id,
        sizes,
    )
    return [row["id"] for row in rows for _ in range(row["chunks"])], True


async def add(connection: Any, rows: Sequence[Row], new_segments: Iterable[int]) -> None:
    """Write rows, once a transaction; where a term has a block already, append to it.

    In a new segment no term has one, and not to look for it takes half the time.
    """
    if rows:
        new = list(new_segments)
        await connection.execute(_STAGE)
        await connection.copy_records_to_table("new_postings", records=rows, schema_name="pg_temp")
        await connection.execute(_INSERT, new)
        await connection.execute(_APPEND, new)


async def remove(connection: Any, leaving: Iterable[Indexed]) -> None:
    """Take chunks out of the blocks of their terms and out of their segments; drop what becomes empty."""
    by_segment: defaultdict[tuple[int, int], list[Indexed]] = defaultdict(list)
    for chunk in leaving:
        by_segment[chunk.scope_id, chunk.segment_id].append(chunk)
    for (scope_id, segment_id), chunks in by_segment.items():
        await _cut(connection, scope_id, segment_id, chunks)
        await connection.execute(
            "UPDATE rag.segments SET chunks = chunks - $2 WHERE id = $1", segment_id, len(chunks)
        )
    segments = [segment_id for _, segment_id in by_segment]
    await connection.execute("DELETE FROM rag.segments WHERE id = ANY($1) AND chunks = 0", segments)


async def _cut(connection: Any, scope_id: int, segment_id: int, chunks: Sequence[Indexed]) -> None:
    ids = np.array([chunk.id for chunk in chunks])
    words = sorted(set(chain.from_iterable(terms(chunk.passage) for chunk in chunks)))
    old = await connection.fetch(_FIND, scope_id, segment_id, words)
    if _occurrences(old, ids) != sum(chunk.tokens for chunk in chunks):
        # The chunks were indexed when text became terms in another way. Look everywhere.
        old = await connection.fetch(_FIND_ALL, scope_id, segment_id)
    empty: list[str] = []
    changed: list[tuple[str, bytes]] = []
    for term, block in old:
        postings = np.frombuffer(block, _DTYPE)
        kept = postings[~np.isin(postings["chunk"], ids)]
        if not len(kept):
            empty.append(term)
        elif len(kept) < len(postings):
            changed.append((term, kept.tobytes()))
    await connection.execute(_DELETE, scope_id, segment_id, empty)
    await connection.execute(
        _UPDATE, scope_id, segment_id, [term for term, _ in changed], [block for _, block in changed]
    )


def _occurrences(rows: Sequence[tuple[str, bytes]], ids: npt.NDArray[np.int64]) -> int:
    postings = np.frombuffer(b"".join(row[1] for row in rows), _DTYPE)
    return int(postings["frequency"][np.isin(postings["chunk"], ids)].sum(dtype=np.int64))
