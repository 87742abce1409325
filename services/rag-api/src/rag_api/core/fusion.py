"""One ranking out of dense and lexical scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def fuse(
    dense: Sequence[Mapping[int, float]], lexical: Mapping[int, float], *, dense_weight: float
) -> list[tuple[int, float]]:
    """Return (id, score) of every chunk, best first; ties by id. The best chunk in both respects has the score 1.

    `dense`: cosines by id, one mapping a model. They are measured from the best of their model: its cosine is all
    that two models can be aligned by. `lexical`: BM25 by id, taken as a share of the best.
    A convex combination with the scores' own scales does better than reciprocal ranks, which forget how far apart
    two chunks are. Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023.
    """
    scores: dict[int, float] = {}
    for cosines in dense:
        best = max(cosines.values(), default=0.0)
        for chunk_id, cosine in cosines.items():
            scores[chunk_id] = dense_weight * (1 + cosine - best)
    top = max(lexical.values(), default=0.0)
    for chunk_id, bm25 in lexical.items():
        scores[chunk_id] = scores.get(chunk_id, 0.0) + (1 - dense_weight) * bm25 / top
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
