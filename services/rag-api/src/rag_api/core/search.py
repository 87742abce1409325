"""Hybrid search: dense neighbours and BM25, fused, over what the caller may read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np

from kit.contracts.documents import Hit
from kit.errors import NotFound
from kit.identity import Principal
from kit.text import terms
from rag_api.core import bm25
from rag_api.core.bm25 import LexicalScores
from rag_api.core.fusion import reciprocal_ranks
from rag_api.core.ports import ChunkIndex, ChunkReader, Embedder, Neighbour, Passage, Survey, Vectors

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
    """How hits are found and ranked."""

    candidates: int = 100
    """Chunks that each of the two retrievers contributes."""
    k1: float = 1.2
    b: float = 0.75
    dense_weight: float = 1.0
    lexical_weight: float = 1.0
    rank_constant: float = 60.0


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
    wanted = Counter(dict(islice(Counter(terms(query)).items(), QUERY_TERMS_MAX)))
    # The configured model is nearly always the collection's: ask it before the survey has said so.
    vector, survey = await asyncio.gather(
        _embed(embedder, query, embedder.model, clock),
        _survey(index, principal, collection, list(wanted), clock),
    )
    vectors = {
        space.model: vector
        if space.model == embedder.model
        else await _embed(embedder, query, space.model, clock)
        for space in survey.spaces
    }
    with clock.measure("lexical"):
        lexical = bm25.score(
            wanted,
            survey.postings,
            chunks=survey.chunks,
            tokens=survey.tokens,
            k1=chosen.k1,
            b=chosen.b,
        )
    async with index.reading(principal) as reader:
        with clock.measure("dense"):
            dense = await _dense(reader, survey, vectors, chosen.candidates)
        with clock.measure("fuse"):
            fused = _fuse(dense, lexical, chosen)[:limit]
        with clock.measure("passages"):
            passages = await reader.passages([chunk_id for chunk_id, _ in fused])
    return SearchResult(_rank(passages, dict(fused), dense, lexical), clock.timings_ms, lexical.rarity)


async def _survey(
    index: ChunkIndex, principal: Principal, collection: str | None, wanted: list[str], clock: _Stopwatch
) -> Survey:
    with clock.measure("survey"):
        async with index.reading(principal) as reader:
            survey = await reader.survey(collection=collection, terms=wanted)
    if survey is None:
        raise CollectionNotFound(f"There is no collection {collection!r} that you may read.")
    return survey


async def _embed(embedder: Embedder, query: str, model: str, clock: _Stopwatch) -> Vectors:
    with clock.measure("embed"):
        vectors = await embedder.embed([query], model=model)
    return np.asarray(vectors[0])


async def _dense(
    reader: ChunkReader, survey: Survey, vectors: dict[str, Vectors], limit: int
) -> list[list[Neighbour]]:
    """Return one ranking a model: the similarities of two models cannot be compared."""
    return [await reader.nearest(space, vectors[space.model], limit=limit) for space in survey.spaces]


def _fuse(
    dense: list[list[Neighbour]], lexical: LexicalScores, parameters: SearchParameters
) -> list[tuple[int, float]]:
    rankings = [(parameters.dense_weight, [n.chunk_id for n in neighbours]) for neighbours in dense]
    rankings.append((parameters.lexical_weight, lexical.chunk_ids[: parameters.candidates].tolist()))
    return reciprocal_ranks(rankings, constant=parameters.rank_constant)


def _rank(
    passages: list[Passage], scores: dict[int, float], dense: list[list[Neighbour]], lexical: LexicalScores
) -> list[RankedChunk]:
    cosines = {n.chunk_id: n.cosine for neighbours in dense for n in neighbours}
    found = {chunk_id: place for place, chunk_id in enumerate(lexical.chunk_ids.tolist())}
    ranked = []
    for passage in passages:
        place = found.get(passage.chunk_id)
        ranked.append(
            RankedChunk(
                hit=_hit(passage, scores[passage.chunk_id]),
                cosine=cosines.get(passage.chunk_id),
                bm25=0.0 if place is None else float(lexical.bm25[place]),
                coverage=0.0 if place is None else float(lexical.coverage[place]),
            )
        )
    return ranked


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
