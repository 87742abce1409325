"""Answer with the documents' own words."""

from __future__ import annotations

from rag_api.core.evidence import Sentence

SENTENCES_MAX = 2
"""The likeliest sentence, and a second one if it is likely too."""


def extract(ranked: list[Sentence], *, probability_min: float) -> list[Sentence]:
    """Return the sentences to quote, none if the likeliest one is not likely enough.

    Two sentences of one passage are given in reading order.
    """
    if not ranked or ranked[0].probability < probability_min:
        return []
    chosen = [sentence for sentence in ranked[:SENTENCES_MAX] if sentence.probability >= probability_min]
    if len({sentence.hit.chunk_id for sentence in chosen}) == 1:
        chosen.sort(key=lambda sentence: sentence.span.start)
    return chosen
