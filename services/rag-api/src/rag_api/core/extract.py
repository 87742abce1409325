"""Answer with the documents' own words."""

from __future__ import annotations

import re
from dataclasses import replace

from kit.text import terms
from rag_api.core.coverage import content_words
from rag_api.core.evidence import Sentence
from rag_api.core.quotes import Span
from rag_api.core.sentences import is_table_row, split_sentences

SENTENCES_MAX = 2
"""The likeliest sentence, and one that adds to it."""
EQUAL_RANKS = 0.5
"""Ranks this near leave open which sentence is the better one: the ranking model gives the first 5 chances of 8."""

NEAR_RANKS = 2.0
"""Ranks further apart than this leave little doubt: the ranking model gives the first 7 chances of 8."""

_GOES_ON = re.compile(
    r"(?:it|its|he|she|his|her|they|their|them|this|these|that|those|such|both|then|otherwise|above that)\b",
    re.IGNORECASE,
)


def extract(question: str, ranked: list[Sentence], *, probability_min: float) -> list[Sentence]:
    """Return the sentences to quote, the likeliest first; none if it is not likely enough.

    Another one that is likely too is added if it is as good as the first (the same row of a table for another
    site), or has words of the question that the first lacks (the question asks two things). One that begins with
    "It …" is given with the sentence before it.
    """
    likely = [sentence for sentence in ranked if sentence.probability >= probability_min]
    chosen = likely[:1]
    for sentence in likely[1:]:
        if len(chosen) == SENTENCES_MAX:
            break
        lacking = _terms(question) - _said(chosen[0])
        gap = chosen[0].rank - sentence.rank
        if gap < EQUAL_RANKS or (gap < NEAR_RANKS and lacking & _said(sentence)):
            chosen.append(sentence)
    widened = [_widened(sentence) for sentence in chosen]
    return [
        one for one in widened if not any(_is_inside(one, other) for other in widened if other is not one)
    ]


def _said(sentence: Sentence) -> set[str]:
    return _terms(f"{sentence.hit.heading} {sentence.text}")


def _terms(text: str) -> set[str]:
    return {term for word in content_words(text) for term in terms(word)}


def _widened(sentence: Sentence) -> Sentence:
    text = sentence.hit.text
    before = [span for span in split_sentences(text) if span.end <= sentence.span.start][-1:]
    if not before or not _GOES_ON.match(sentence.text):
        return sentence
    words = text[before[0].start : before[0].end]
    if words.startswith("#") or words in sentence.hit.heading.split(" > ") or is_table_row(words):
        return sentence
    return replace(sentence, span=Span(before[0].start, sentence.span.end))


def _is_inside(one: Sentence, other: Sentence) -> bool:
    return (
        one.hit.chunk_id == other.hit.chunk_id
        and other.span.start <= one.span.start
        and one.span.end <= other.span.end
    )
