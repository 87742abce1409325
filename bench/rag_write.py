"""Chunks per second of ingest's write stage beside LlamaIndex's PGVectorStore.add.

Both write the same texts and vectors into the same Postgres, in transactions of 1,000 chunks, by turns, each into
empty tables. Building the objects that each takes is not counted; everything from there to the commit is.

rows      documents, chunks and vectors / PGVectorStore's rows. Ingest's lexical index is left out, for this
          comparison only: the peer has none here.
lexical   and the lexical index: BM25 postings / hybrid_search=True (tsvector and GIN)
hnsw      rows and a vector index with m=16, ef_construction=64: ingest builds it after the rows, the peer's grows
          with them
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import numpy as np

from ingest.adapters import changes, postings
from ingest.adapters.postgres import PostgresStore
from ingest.core.documents import Chunk, Document, Put
from kit.db import Database
from migrations import role_url
from slipway.embedded import serve

CHUNKS = 10_000
CHUNKS_OF_A_DOCUMENT = 4
BATCH_CHUNKS = 1_000
WORDS = 145  # about 190 word pieces
DIMENSIONS = 384
ROUNDS = 3
PEER = Path(__file__).parent / "peers" / "pgvectorstore.py"


def main() -> None:
    texts, vectors = workload()
    with tempfile.TemporaryDirectory() as folder, serve("postgres", Path(folder) / "server") as url:
        subprocess.run(
            [sys.executable, "-m", "migrations", "upgrade"],
            env={**os.environ, "DATABASE_URL": url},
            check=True,
        )
        (Path(folder) / "texts.json").write_text(json.dumps(texts))
        np.save(Path(folder) / "vectors.npy", vectors)
        batches = puts(texts, vectors)
        with peer(url, folder) as measure_peer:
            print(f"write stage, {CHUNKS:,} chunks, median of {ROUNDS} rounds, chunks/s")
            print(f"{'':10}{'ingest':>10}{'PGVectorStore':>16}{'ratio':>8}")
            for configuration in ("rows", "lexical", "hnsw"):
                ours, theirs = [], []
                for _ in range(ROUNDS):
                    theirs.append(CHUNKS / measure_peer(configuration))
                    ours.append(CHUNKS / asyncio.run(measure(url, batches, configuration)))
                us, them = statistics.median(ours), statistics.median(theirs)
                print(f"{configuration:10}{us:>10,.0f}{them:>16,.0f}{us / them:>7.1f}x", flush=True)


def workload() -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]:
    """Return texts whose words have a natural language's frequencies, and random unit vectors."""
    random = np.random.default_rng(7)
    letters = np.array(list("eeeeeettttaaaooiinnsshhrrddlcumwfgypbvk"))
    words = np.array(["".join(random.choice(letters, random.integers(2, 11))) for _ in range(20_000)])
    frequencies = 1 / np.arange(1, len(words) + 1)
    drawn = random.choice(len(words), size=(CHUNKS, WORDS), p=frequencies / frequencies.sum())
    vectors = random.standard_normal((CHUNKS, DIMENSIONS)).astype(np.float32)
    return [" ".join(row) for row in words[drawn]], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def puts(texts: Sequence[str], vectors: np.ndarray[Any, np.dtype[np.float32]]) -> list[list[Put]]:
    """Return batches of new documents."""
    documents = []
    for start in range(0, CHUNKS, CHUNKS_OF_A_DOCUMENT):
        parts = texts[start : start + CHUNKS_OF_A_DOCUMENT]
        ends = np.cumsum([len(part) + 1 for part in parts]).tolist()
        chunks = [Chunk(end - len(part) - 1, end - 1, "A > B") for part, end in zip(parts, ends, strict=True)]
        document = Document(
            id=uuid4(),
            source="bench",
            path=f"{start}.txt",
            title="A",
            media_type="text/plain",
            allow=("tenant",),
            content_hash=bytes(32),
            fingerprint="",
            bytes=ends[-1],
            text="\n".join(parts),
            chunks=chunks,
        )
        documents.append(Put(document, vectors[start : start + CHUNKS_OF_A_DOCUMENT]))
    size = BATCH_CHUNKS // CHUNKS_OF_A_DOCUMENT
    return [documents[start : start + size] for start in range(0, len(documents), size)]


async def measure(url: str, batches: Sequence[Sequence[Put]], configuration: str) -> float:
    """Return the seconds that it takes to write everything into an empty index."""
    database = Database(
        role_url(url, "slipway_ingest"), name="bench", pool_size_max=1, statement_timeout_seconds=600
    )
    await _empty(url)
    store = PostgresStore(database, progress=mock.Mock(), lock_timeout_seconds=1, index_timeout_seconds=600)
    try:
        with _lexical_index(wanted=configuration == "lexical"):
            async with store.open("acme", "bench") as collection:
                begin = time.perf_counter()
                for batch in batches:
                    await collection.apply(batch, "bench-model")
                if configuration == "hnsw":
                    await collection.finish("bench-model")
                return time.perf_counter() - begin
    finally:
        await database.aclose()


@contextmanager
def _lexical_index(*, wanted: bool) -> Iterator[None]:
    if wanted:
        yield
        return
    with mock.patch.object(changes, "_find_terms"), mock.patch.object(postings, "blocks", return_value=[]):
        yield


async def _empty(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute(
        "TRUNCATE rag.collections, rag.scopes, rag.documents, rag.segments, rag.chunks, rag.embeddings,"
        " rag.postings CASCADE; DROP INDEX IF EXISTS rag.embeddings_model_1_hnsw; CHECKPOINT"
    )
    await connection.close()


@contextmanager
def peer(url: str, folder: str) -> Iterator[Any]:
    """Start the peer in its own environment; give a function from a configuration to seconds."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise SystemExit("The peer runs in an environment of its own, made by uv. Set UV to where uv is.")
    command = [uv, "run", "--quiet", "--python", sys.executable, "--script", str(PEER), url, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout

        def measure_peer(configuration: str) -> float:
            if stdin is None or stdout is None:
                raise RuntimeError("the peer has no pipes")
            print(configuration, file=stdin, flush=True)
            line = stdout.readline()
            if not line:
                raise SystemExit("The peer ended; its message is above.")
            return float(json.loads(line)["seconds"])

        try:
            yield measure_peer
        finally:
            if stdin:
                stdin.close()
