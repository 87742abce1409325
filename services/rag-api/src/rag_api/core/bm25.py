"""BM25 over postings: statistics come from what the caller may read, and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rag_api.core.ports import Postings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """Every chunk that has a term of the query, best first. Arrays of shape (n,)."""

    chunk_ids: npt.NDArray[np.int64]
    bm25: Floats
    coverage: Floats
    """Share of the query's idf mass that the chunk has, 0 to 1."""
    rarity: Mapping[str, float]
    """idf of each term of the query; highest for one that occurs nowhere."""


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
    weights = np.repeat(
        [rarity[term] * query[term] for term in found], [len(postings[term]) for term in found]
    )
    frequency = blocks["frequency"].astype(np.float64)
    saturation = frequency + k1 * (1 - b + b * blocks["length"] / length_mean)
    chunk_ids, position = np.unique(blocks["chunk"], return_inverse=True)
    bm25: Floats = np.bincount(position, weights * frequency * (k1 + 1) / saturation)
    coverage: Floats = np.bincount(position, weights) / mass
    order = np.lexsort((chunk_ids, -bm25))
    return LexicalScores(chunk_ids[order], bm25[order], coverage[order], rarity)


def _idf(containing: int, chunks: int) -> float:
    return float(np.log1p((chunks - containing + 0.5) / (containing + 0.5)))
