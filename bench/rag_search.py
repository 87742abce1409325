"""Search among 20,000 chunks of several tenants: milliseconds, and recall beside pgvector's defaults.

The vectors are random around 400 centres, the texts are random words with a natural language's frequencies. A query is
a vector near that of one of the tenant's chunks, and six words of that chunk. It is embedded beforehand, so the
times are those of everything else: two transactions as the caller, postings, neighbours, fusion, ten passages.

recall    share of the ten nearest chunks, by an exact comparison with all of the tenant's, that is found
defaults  a table with an HNSW index and WHERE tenant = …, every setting of pgvector as it comes: the filter applies to
          the 40 rows that the index returns, whosever they are
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

import rag_workload as workload
from ingest.adapters.postgres import PostgresStore
from kit.db import Database
from kit.principal import Principal
from migrations import role_url
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.core.search import SearchParameters, search
from rag_workload import Vectors

CHUNKS = 20_000
SHARES = {"small": 0.001, "modest": 0.02, "large": 0.5}
QUERIES = 300
QUERY_WORDS = 6
HITS = 10
WARM_UP = 10
COLLECTION = "bench"
SYSTEMS = {
    "dense": SearchParameters(dense_weight=1.0),
    "lexical": SearchParameters(dense_weight=0.0),
    "fused": SearchParameters(),
}
PEER_TABLE = """
CREATE TABLE peer AS SELECT s.tenant, d.path, e.embedding::halfvec(384) AS embedding
FROM rag.embeddings e JOIN rag.scopes s ON s.id = e.scope_id JOIN rag.chunks c ON c.id = e.chunk_id
JOIN rag.documents d ON d.id = c.document_id
"""
PEER_INDEX = "CREATE INDEX ON peer USING hnsw (embedding halfvec_cosine_ops)"
PEER_QUERY = "SELECT path FROM peer WHERE tenant = $1 ORDER BY embedding <=> $2::text::halfvec LIMIT 10"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Its chunks, and the queries with the ten nearest of them. A chunk's document has its number as path."""

    name: str
    texts: Sequence[str]
    vectors: Vectors
    queries: Mapping[str, Vectors]
    nearest: Mapping[str, set[str]]


class Embedded:
    """Implements rag_api.core.ports.Embedder for queries that are embedded already."""

    model = workload.MODEL

    def __init__(self, queries: Mapping[str, Vectors]) -> None:
        self._queries = queries

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        return np.stack([self._queries[text] for text in texts])


def run() -> dict[str, Any]:
    """Fill the index, then search as each of three tenants. The rest of the chunks are a fourth's."""
    tenants = _tenants()
    with workload.scratch_database() as (url, _):
        asyncio.run(_fill(url, tenants))
        workload.execute(url, PEER_TABLE, PEER_INDEX, "ANALYZE")
        result = {}
        for tenant in tenants[:-1]:
            ours = asyncio.run(_search(url, tenant))
            result[tenant.name] = {"chunks": len(tenant.texts), **ours, **asyncio.run(_ask_peer(url, tenant))}
    return {"chunks": CHUNKS, "queries": QUERIES, "tenants": result}


def show(result: dict[str, Any]) -> None:
    print(
        f"\nSearch: {CHUNKS:,} chunks with clustered random vectors, {QUERIES} queries, ms without the embedding"
    )
    head = [f"{name} {which}" for name in SYSTEMS for which in ("p50", "p99")]
    print(
        f"{'tenant has':14}"
        + "".join(f"{each:>13}" for each in head)
        + f"{'recall@10':>12}{'defaults':>10}{'rows':>6}"
    )
    for tenant in result["tenants"].values():
        share = f"{tenant['chunks'] / CHUNKS:.1%} of rows"
        figures = "".join(
            f"{tenant[name][which]:>13.2f}" for name in SYSTEMS for which in ("p50_ms", "p99_ms")
        )
        print(
            f"{share:14}{figures}{tenant['recall']:>12.3f}{tenant['defaults_recall']:>10.3f}{tenant['defaults_rows']:>6.1f}"
        )


def _tenants() -> list[Tenant]:
    texts, vectors = workload.texts(CHUNKS), workload.clustered(CHUNKS)
    random = np.random.default_rng(3)
    order = random.permutation(CHUNKS)
    ends = np.cumsum([round(CHUNKS * share) for share in SHARES.values()])
    return [
        _tenant(name, [texts[row] for row in rows], vectors[rows], random)
        for name, rows in zip((*SHARES, "others"), np.split(order, ends), strict=True)
    ]


def _tenant(name: str, texts: Sequence[str], vectors: Vectors, random: np.random.Generator) -> Tenant:
    queries = {}
    for row in random.integers(0, len(texts), QUERIES):
        words = " ".join(random.choice(texts[row].split(), QUERY_WORDS, replace=False))
        near = vectors[row] + 0.04 * random.standard_normal(workload.DIMENSIONS)
        queries[words] = workload.unit(near[None])[0]
    stored = workload.unit(vectors.astype(np.float16).astype(np.float32))
    nearest = {
        words: set(map(str, np.argsort(-(stored @ query.astype(np.float16).astype(np.float32)))[:HITS]))
        for words, query in queries.items()
    }
    return Tenant(name, texts, vectors, queries, nearest)


async def _fill(url: str, tenants: Sequence[Tenant]) -> None:
    database = Database(role_url(url, "slipway_ingest"), name="bench", pool_size_max=1)
    store = PostgresStore(database, progress=mock.Mock(), lock_timeout_seconds=1, index_timeout_seconds=600)
    try:
        for tenant in tenants:
            async with store.open(tenant.name, COLLECTION) as collection:
                for batch in workload.puts(tenant.texts, tenant.vectors, chunks_of_a_document=1):
                    await collection.apply(batch, workload.MODEL)
        async with store.open(tenants[0].name, COLLECTION) as collection:
            await collection.finish(workload.MODEL)
    finally:
        await database.aclose()


async def _search(url: str, tenant: Tenant) -> dict[str, Any]:
    database = Database(role_url(url, "slipway_rag_api"), name="bench", pool_size_max=2)
    try:
        index, embedder = PostgresChunkIndex(database), Embedded(tenant.queries)
        result: dict[str, Any] = {}
        for name, parameters in SYSTEMS.items():
            milliseconds, recalls = [], []
            for query in [*list(tenant.queries)[:WARM_UP], *tenant.queries]:
                begin = time.perf_counter()
                found = await search(
                    index,
                    embedder,
                    Principal("reader", tenant.name),
                    query=query,
                    collection=COLLECTION,
                    limit=HITS,
                    parameters=parameters,
                )
                milliseconds.append((time.perf_counter() - begin) * 1000)
                recalls.append(_recall({hit.document.path for hit in found.hits}, tenant.nearest[query]))
            result[name] = _percentiles(milliseconds[WARM_UP:])
            if name == "dense":
                result["recall"] = float(np.mean(recalls))
        return result
    finally:
        await database.aclose()


async def _ask_peer(url: str, tenant: Tenant) -> dict[str, float]:
    async with workload.connected(url) as connection:
        found = {
            words: [row["path"] for row in await connection.fetch(PEER_QUERY, tenant.name, _literal(query))]
            for words, query in tenant.queries.items()
        }
    recalls = [_recall(set(paths), tenant.nearest[words]) for words, paths in found.items()]
    return {
        "defaults_recall": float(np.mean(recalls)),
        "defaults_rows": float(np.mean([len(paths) for paths in found.values()])),
    }


def _recall(found: set[str], nearest: set[str]) -> float:
    return len(found & nearest) / len(nearest)


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _literal(vector: Vectors) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"
