"""Chunks per second of ingest's write stage beside LlamaIndex's PGVectorStore.add.

Both write the same texts and vectors into the same Postgres, in transactions of 1,000 chunks, by turns, each into
empty tables. Building the objects that each takes is not counted; everything from there to the commit is. CPU is the
client's and the server's processor time together.

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
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np

import rag_workload as workload
from ingest.adapters import changes, postings
from ingest.adapters.postgres import PostgresStore
from ingest.core.documents import Put
from kit.db import Database
from migrations import role_url

CHUNKS = 5_000
CHUNKS_OF_A_DOCUMENT = 4
ROUNDS = 3
CONFIGURATIONS = ("rows", "lexical", "hnsw")
PEER = Path(__file__).parent / "peers" / "pgvectorstore.py"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of writing everything once."""

    seconds: float
    cpu_seconds: float


def run() -> dict[str, Any]:
    """Measure all configurations; medians over the rounds, in chunks a second."""
    texts, vectors = workload.texts(CHUNKS), workload.clustered(CHUNKS)
    batches = workload.puts(texts, vectors, chunks_of_a_document=CHUNKS_OF_A_DOCUMENT)
    result = {}
    with workload.scratch_database() as (url, folder):
        (folder / "texts.json").write_text(json.dumps(texts))
        np.save(folder / "vectors.npy", vectors)
        with peer(url, folder) as write_peer:
            for configuration in CONFIGURATIONS:
                theirs, ours = [], []
                for _ in range(ROUNDS):
                    theirs.append(_cost(url, partial(write_peer, configuration)))
                    ours.append(_cost(url, partial(write, url, batches, configuration)))
                result[configuration] = _compare(ours, theirs)
    return {"chunks": CHUNKS, "rounds": ROUNDS, **result}


def show(result: dict[str, Any]) -> None:
    print(
        f"\nWrite stage: {CHUNKS:,} chunks with clustered random vectors, {workload.DIMENSIONS} dimensions,"
        f" median of {ROUNDS} rounds"
    )
    print(
        f"{'':10}{'ingest':>11}{'PGVectorStore':>15}{'ratio':>8}{'ingest':>14}{'PGVectorStore':>15}{'ratio':>8}"
    )
    print(f"{'':10}{'chunks/s':>11}{'chunks/s':>15}{'':8}{'chunks/CPU s':>14}{'chunks/CPU s':>15}")
    for configuration in CONFIGURATIONS:
        each = result[configuration]
        print(
            f"{configuration:10}{each['ingest']:>11,.0f}{each['pgvectorstore']:>15,.0f}{each['ratio']:>7.1f}x"
            f"{each['ingest_cpu']:>14,.0f}{each['pgvectorstore_cpu']:>15,.0f}{each['cpu_ratio']:>7.1f}x"
        )


def _compare(ours: Sequence[Cost], theirs: Sequence[Cost]) -> dict[str, float]:
    us, them = (CHUNKS / median(cost.seconds for cost in costs) for costs in (ours, theirs))
    us_cpu, them_cpu = (CHUNKS / median(cost.cpu_seconds for cost in costs) for costs in (ours, theirs))
    return {
        "ingest": us,
        "pgvectorstore": them,
        "ratio": us / them,
        "ingest_cpu": us_cpu,
        "pgvectorstore_cpu": them_cpu,
        "cpu_ratio": us_cpu / them_cpu,
    }


def _cost(url: str, write: Callable[[], Cost]) -> Cost:
    """Add the server's processor time to what the client knows of."""
    before = workload.server_cpu_seconds(url)
    cost = write()
    return Cost(cost.seconds, cost.cpu_seconds + workload.server_cpu_seconds(url) - before)


def write(url: str, batches: Sequence[Sequence[Put]], configuration: str) -> Cost:
    """Write everything into an empty index as ingest does."""
    workload.execute(
        url,
        "TRUNCATE rag.collections, rag.scopes, rag.documents, rag.segments, rag.chunks, rag.embeddings, rag.postings"
        " CASCADE",
        "DROP INDEX IF EXISTS rag.embeddings_model_1_hnsw",
        "CHECKPOINT",
    )
    with nullcontext() if configuration == "lexical" else _no_lexical_index():
        return asyncio.run(_write(url, batches, with_index=configuration == "hnsw"))


async def _write(url: str, batches: Sequence[Sequence[Put]], *, with_index: bool) -> Cost:
    database = Database(
        role_url(url, "slipway_ingest"), name="bench", pool_size_max=1, statement_timeout_seconds=600
    )
    store = PostgresStore(database, progress=mock.Mock(), lock_timeout_seconds=1, index_timeout_seconds=600)
    try:
        async with store.open("acme", "bench") as collection:
            begin, begin_cpu = time.perf_counter(), time.process_time()
            for batch in batches:
                await collection.apply(batch, workload.MODEL)
            if with_index:
                await collection.finish(workload.MODEL)
            return Cost(time.perf_counter() - begin, time.process_time() - begin_cpu)
    finally:
        await database.aclose()


@contextmanager
def _no_lexical_index() -> Iterator[None]:
    with mock.patch.object(changes, "_find_terms"), mock.patch.object(postings, "blocks", return_value=[]):
        yield


@contextmanager
def peer(url: str, folder: Path) -> Iterator[Callable[[str], Cost]]:
    """Start the peer in its own environment; give a function that has it write once."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise SystemExit("The peer runs in an environment of its own, made by uv. Set UV to where uv is.")
    command = [uv, "run", "--quiet", "--python", sys.executable, "--script", str(PEER), url, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout

        def write_peer(configuration: str) -> Cost:
            if stdin is None or stdout is None:
                raise RuntimeError("the peer has no pipes")
            print(configuration, file=stdin, flush=True)
            line = stdout.readline()
            if not line:
                raise SystemExit("The peer ended; its message is above.")
            return Cost(**json.loads(line))

        try:
            yield write_peer
        finally:
            if stdin:
                stdin.close()
