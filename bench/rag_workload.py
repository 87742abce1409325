"""What the benchmarks of retrieval write and search, and the server that they do it on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import numpy as np
import numpy.typing as npt
import psutil

from ingest.core.documents import Chunk, Document, Put
from slipway.embedded import serve

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 384
MODEL = "bench-model"
VOCABULARY = 20_000
WORDS = 145
"""Of a chunk: about 190 word pieces."""


@contextmanager
def scratch_database() -> Iterator[tuple[str, Path]]:
    """Give the owner's URL of a migrated database on a Postgres of its own, and a folder; both go at the end."""
    with tempfile.TemporaryDirectory() as folder, serve("postgres", Path(folder) / "server") as url:
        variables = {**os.environ, "DATABASE_URL": url}
        subprocess.run([sys.executable, "-P", "-m", "migrations", "upgrade"], env=variables, check=True)
        yield url, Path(folder)


def texts(count: int) -> list[str]:
    """Return texts whose words have a natural language's frequencies."""
    random = np.random.default_rng(7)
    letters = np.array(list("eeeeeettttaaaooiinnsshhrrddlcumwfgypbvk"))
    words = np.array(["".join(random.choice(letters, random.integers(2, 11))) for _ in range(VOCABULARY)])
    frequencies = 1 / np.arange(1, len(words) + 1)
    drawn = random.choice(len(words), size=(count, WORDS), p=frequencies / frequencies.sum())
    return [" ".join(row) for row in words[drawn]]


def clustered(count: int, *, clusters: int = 400) -> Vectors:
    """Return unit vectors around random centres; two of one cluster have a cosine of about 0.5.

    Independent random vectors would all be equally far apart: no index finds the nearest of those.
    """
    random = np.random.default_rng(11)
    centres = random.standard_normal((clusters, DIMENSIONS))
    chosen = centres[random.integers(0, clusters, count)]
    return unit(chosen + random.standard_normal((count, DIMENSIONS)))


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Return the rows with length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def puts(
    chunks: Sequence[str], vectors: Vectors, *, chunks_of_a_document: int, batch_chunks: int = 1_000
) -> list[list[Put]]:
    """Return batches of new documents; a document's path is its first chunk's number."""
    documents = []
    for start in range(0, len(chunks), chunks_of_a_document):
        end = start + chunks_of_a_document
        documents.append(Put(_document(str(start), chunks[start:end]), vectors[start:end]))
    size = batch_chunks // chunks_of_a_document
    return [documents[start : start + size] for start in range(0, len(documents), size)]


def _document(path: str, parts: Sequence[str]) -> Document:
    ends = np.cumsum([len(part) + 1 for part in parts]).tolist()
    return Document(
        id=uuid4(),
        source="bench",
        path=path,
        title="A",
        media_type="text/plain",
        allow=("tenant",),
        content_hash=bytes(32),
        fingerprint="",
        bytes=ends[-1],
        text="\n".join(parts),
        chunks=[Chunk(end - len(part) - 1, end - 1, "A > B") for part, end in zip(parts, ends, strict=True)],
    )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection of the owner's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def execute(url: str, *statements: str) -> None:
    """Run statements as the owner, each in a transaction of its own."""

    async def run() -> None:
        async with connected(url) as connection:
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(run())


def server_cpu_seconds(url: str) -> float:
    """Return the processor time that the server and all its processes, also those that ended, have used."""

    async def run() -> float:
        async with connected(url) as connection:
            postmaster = psutil.Process(psutil.Process(connection.get_server_pid()).ppid())
            own = postmaster.cpu_times()
            living = [child.cpu_times() for child in postmaster.children()]
        used = own.user + own.system + own.children_user + own.children_system
        return float(used + sum(times.user + times.system for times in living))

    return asyncio.run(run())
