"""Hybrid search: dense neighbours and BM25, fused, over what the caller may read."""

from __future__ import annotations

import asyncio
from collections import ChainMap, Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np

from kit.contracts.documents import Hit
from kit.errors import NotFound
from kit.principal import Principal
from kit.text import terms
from rag_api.core import bm25
from rag_api.core.bm25 import LexicalScores
from rag_api.core.fusion import fuse
from rag_api.core.ports import ChunkIndex, ChunkReader, Embedder, Passage, Survey, Vectors, VectorSpace

QUERY_TERMS_MAX = 64
"""Different terms of a query that are looked up: each costs a read of its postings."""


class CollectionNotFound(NotFound):
    """There is no such collection, or the caller may read nothing in it: the two look the same."""

    code = "collection_not_found"


@dataclass(frozen=True, slots=True)
class RankedChunk:
    """A hit with what the ranking knows of it, for whoever must decide if it is evidence."""

    hit: Hit
    cosine: float | None
    """Similarity of query and chunk, -1 to 1. None: not among the nearest neighbours."""
    bm25: float
    """0 if the chunk has none of the query's terms."""
    coverage: float
    """How much of the query's terms the chunk has, each weighted by its rarity. 0 to 1."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    chunks: list[RankedChunk]
    """Best first."""
    timings_ms: dict[str, float]
    rarity: Mapping[str, float] = field(default_factory=dict)
    """idf of each of the query's terms in what the caller may read."""

    @property
    def hits(self) -> list[Hit]:
        return [chunk.hit for chunk in self.chunks]


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """How hits are found and ranked. The weights were chosen on SciFact's training queries."""

    candidates: int = 100
    """Chunks that each of the two retrievers contributes, at least."""
    k1: float = 0.9
    b: float = 0.4
    """Less than the usual 0.75: chunks are of nearly one length."""
    dense_weight: float = 0.7
    """0 for BM25 alone (no model is asked), 1 for cosines alone (no postings are read)."""


async def search(
    index: ChunkIndex,
    embedder: Embedder,
    principal: Principal,
    *,
    query: str,
    collection: str | None = None,
    limit: int = 10,
    parameters: SearchParameters | None = None,
) -> SearchResult:
    """Return the `limit` chunks that answer `query` best, of `collection` or of all that may be read.

    timings_ms: embed and survey (which overlap), dense, lexical, fuse, passages.
    Errors: CollectionNotFound; kit.errors.Unavailable if the database or the embedding model is down.
    """
    chosen = parameters or SearchParameters()
    clock = _Stopwatch()
    wanted = _query_terms(query) if chosen.dense_weight < 1 else Counter()
    # The configured model is nearly always the collection's: ask it before the survey has said so.
    early = [embedder.model] if chosen.dense_weight > 0 else []
    vectors, survey = await asyncio.gather(
        _embed(embedder, query, early, clock), _survey(index, principal, collection, list(wanted), clock)
    )
    spaces = survey.spaces if chosen.dense_weight > 0 else ()
    late = [space.model for space in spaces if space.model not in vectors]
    vectors |= await _embed(embedder, query, late, clock)
    with clock.measure("lexical"):
        lexical = bm25.score(
            wanted,
            survey.postings,
            chunks=survey.chunks,
            tokens=survey.tokens,
            k1=chosen.k1,
            b=chosen.b,
        )
    candidates = max(limit, chosen.candidates)
    async with index.reading(principal) as reader:
        with clock.measure("dense"):
            dense = await _dense(
                reader, spaces, vectors, limit=candidates, including=lexical.best(candidates)
            )
        with clock.measure("fuse"):
            fused = _fuse(dense, lexical, chosen.dense_weight, candidates)[:limit]
        with clock.measure("passages"):
            passages = await reader.passages([chunk_id for chunk_id, _ in fused])
    return SearchResult(_rank(passages, dict(fused), dense, lexical), clock.timings_ms, lexical.rarity)


def _query_terms(query: str) -> Counter[str]:
    return Counter(dict(islice(Counter(terms(query)).items(), QUERY_TERMS_MAX)))


async def _survey(
    index: ChunkIndex, principal: Principal, collection: str | None, wanted: list[str], clock: _Stopwatch
) -> Survey:
    with clock.measure("survey"):
        async with index.reading(principal) as reader:
            survey = await reader.survey(collection=collection, terms=wanted)
    if survey is None:
        raise CollectionNotFound(f"There is no collection {collection!r} that you may read.")
    return survey


async def _embed(embedder: Embedder, query: str, models: list[str], clock: _Stopwatch) -> dict[str, Vectors]:
    """Return the query's vector by model."""
    with clock.measure("embed"):
        return {model: np.asarray((await embedder.embed([query], model=model))[0]) for model in models}


async def _dense(
    reader: ChunkReader,
    spaces: Sequence[VectorSpace],
    vectors: dict[str, Vectors],
    *,
    limit: int,
    including: list[int],
) -> list[dict[int, float]]:
    """Return cosines by chunk id, one mapping a space; BM25's candidates get theirs too."""
    found = []
    for space in spaces:
        neighbours = await reader.nearest(space, vectors[space.model], limit=limit, including=including)
        found.append({neighbour.chunk_id: neighbour.cosine for neighbour in neighbours})
    return found


def _fuse(
    dense: list[dict[int, float]], lexical: LexicalScores, dense_weight: float, candidates: int
) -> list[tuple[int, float]]:
    chunk_ids = list({*lexical.best(candidates), *(chunk_id for cosines in dense for chunk_id in cosines)})
    matches = {
        chunk_id: bm25
        for chunk_id, (bm25, _) in zip(chunk_ids, lexical.of(chunk_ids), strict=True)
        if bm25 > 0
    }
    return fuse(dense, matches, dense_weight=dense_weight)


def _rank(
    passages: list[Passage], scores: dict[int, float], dense: list[dict[int, float]], lexical: LexicalScores
) -> list[RankedChunk]:
    cosines = ChainMap(*dense)
    matches = lexical.of([passage.chunk_id for passage in passages])
    return [
        RankedChunk(
            hit=_hit(passage, scores[passage.chunk_id]),
            cosine=cosines.get(passage.chunk_id),
            bm25=score,
            coverage=coverage,
        )
        for passage, (score, coverage) in zip(passages, matches, strict=True)
    ]


def _hit(passage: Passage, score: float) -> Hit:
    return Hit(
        document=passage.document,
        chunk_id=passage.chunk_id,
        heading=passage.heading,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        score=score,
    )


class _Stopwatch:
    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            elapsed = (perf_counter() - start) * 1000
            self.timings_ms[stage] = round(self.timings_ms.get(stage, 0.0) + elapsed, 3)
