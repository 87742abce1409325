"""BM25 over postings: statistics come from what the caller may read, and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rag_api.core.ports import Postings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """Every chunk that has a term of the query. Arrays of shape (n,), by ascending chunk id."""

    chunk_ids: npt.NDArray[np.int64]
    bm25: Floats
    coverage: Floats
    """Share of the query's idf mass that the chunk has, 0 to 1."""
    rarity: Mapping[str, float]
    """idf of each term of the query; highest for one that occurs nowhere."""

    def best(self, limit: int) -> list[int]:
        """Return the ids of the `limit` best chunks, best first; ties by id."""
        order = np.argsort(-self.bm25, kind="stable")[:limit]
        return [int(chunk_id) for chunk_id in self.chunk_ids[order]]

    def of(self, chunk_ids: Sequence[int]) -> list[tuple[float, float]]:
        """Return (bm25, coverage) of each of the chunks; zeros for one without any term of the query."""
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        known = np.isin(wanted, self.chunk_ids)
        scores = np.zeros((len(wanted), 2))
        place = np.searchsorted(self.chunk_ids, wanted[known])
        scores[known] = np.column_stack((self.bm25[place], self.coverage[place]))
        return [(bm25, coverage) for bm25, coverage in scores.tolist()]


def score(
    query: Counter[str],
    postings: Mapping[str, Postings],
    *,
    chunks: int,
    tokens: int,
    k1: float,
    b: float,
) -> LexicalScores:
    """Score chunks by the query's terms; a term that the query repeats counts as often.

    `chunks`, `tokens`: how many are readable in all. idf is Lucene's, which is never negative.
    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
    """
    length_mean = max(tokens / max(chunks, 1), 1.0)
    rarity = {term: _idf(len(postings[term]) if term in postings else 0, chunks) for term in query}
    mass = sum(rarity[term] * count for term, count in query.items())
    found = [term for term in query if term in postings]
    if not found:
        return LexicalScores(np.empty(0, np.int64), np.empty(0), np.empty(0), rarity)
    blocks = np.concatenate([postings[term] for term in found])
    weights: Floats = np.repeat(
        [rarity[term] * query[term] for term in found], [len(postings[term]) for term in found]
    )
    frequency = blocks["frequency"].astype(np.float64)
    saturation = frequency + k1 * (1 - b + b * blocks["length"] / length_mean)
    gain: Floats = weights * frequency * (k1 + 1) / saturation
    chunk_ids, position = np.unique(blocks["chunk"], return_inverse=True)
    bm25 = np.asarray(np.bincount(position, gain), dtype=np.float64)
    coverage = np.asarray(np.bincount(position, weights), dtype=np.float64) / mass
    return LexicalScores(chunk_ids, bm25, coverage, rarity)


def _idf(containing: int, chunks: int) -> float:
    return float(np.log1p((chunks - containing + 0.5) / (containing + 0.5)))
