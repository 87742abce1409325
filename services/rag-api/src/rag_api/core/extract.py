"""Answer with the documents' own words."""

from __future__ import annotations

from kit.text import terms
from rag_api.core.coverage import content_words
from rag_api.core.evidence import Sentence

SENTENCES_MAX = 2
"""The likeliest sentence, and one that adds to it."""
EQUAL_RANKS = 0.5
"""Ranks this near leave open which sentence is the better one: the ranking model gives the first 5 chances of 8."""


def extract(question: str, ranked: list[Sentence], *, probability_min: float) -> list[Sentence]:
    """Return the sentences to quote, the likeliest first; none if it is not likely enough.

    Another one that is likely too is added if it is as good as the first (the same row of a table for another
    site), or has words of the question that the first lacks (the question asks two things).
    """
    likely = [sentence for sentence in ranked if sentence.probability >= probability_min]
    chosen = likely[:1]
    for sentence in likely[1:]:
        if len(chosen) == SENTENCES_MAX:
            break
        lacking = _terms(question) - set().union(*(_said(known) for known in chosen))
        if chosen[0].rank - sentence.rank < EQUAL_RANKS or lacking & _said(sentence):
            chosen.append(sentence)
    return chosen


def _said(sentence: Sentence) -> set[str]:
    return _terms(f"{sentence.hit.heading} {sentence.text}")


def _terms(text: str) -> set[str]:
    return {term for word in content_words(text) for term in terms(word)}
