"""Answer with the documents' own words."""

from __future__ import annotations

from kit.text import terms
from rag_api.core.evidence import Sentence

SENTENCES_MAX = 2
"""The likeliest sentence, and one that speaks of what it leaves out."""


def extract(question: str, ranked: list[Sentence], *, probability_min: float) -> list[Sentence]:
    """Return the sentences to quote, the likeliest first; none if it is not likely enough.

    Another one is given if it is likely too and has words of the question that those before it lack, as for a
    question that asks two things.
    """
    chosen: list[Sentence] = []
    open_terms = set(terms(question))
    for sentence in ranked:
        if sentence.probability < probability_min or len(chosen) == SENTENCES_MAX:
            break
        has = set(terms(f"{sentence.hit.heading} {sentence.text}"))
        if not chosen or open_terms & has:
            chosen.append(sentence)
            open_terms -= has
    return chosen
