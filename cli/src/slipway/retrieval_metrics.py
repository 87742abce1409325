"""How good a ranking is, as trec_eval counts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return the normalised discounted cumulative gain of the first `k`: 1 if no order could be better.

    `grades`: the relevant documents, at least one. A document's gain is its grade. Source: Järvelin and Kekäläinen,
    "Cumulated gain-based evaluation of IR techniques", 2002, with trec_eval's discount log2(rank + 1).
    """
    gained = _discounted([grades.get(document, 0) for document in ranking[:k]])
    return gained / _discounted(sorted(grades.values(), reverse=True)[:k])


def recall(ranking: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return which share of the relevant documents is among the first `k`. `grades` as in `ndcg`."""
    return len(grades.keys() & set(ranking[:k])) / len(grades)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))
