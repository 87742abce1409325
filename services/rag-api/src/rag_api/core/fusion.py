"""One ranking out of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def reciprocal_ranks(
    rankings: Iterable[tuple[float, Sequence[int]]], *, constant: float
) -> list[tuple[int, float]]:
    """Fuse (weight, ids best first) pairs into (id, score), best first; ties by id.

    An id earns weight / (constant + rank) from each ranking that has it, ranks counting from 1.
    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for weight, ids in rankings:
        for rank, chunk_id in enumerate(ids, start=1):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + weight / (constant + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
