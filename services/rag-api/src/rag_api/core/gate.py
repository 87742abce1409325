"""What a model says is believed only as far as its quote carries it."""

from __future__ import annotations

import re

from kit.contracts.documents import Hit
from kit.text import STOPWORDS, terms
from rag_api.core.cues import numbers
from rag_api.core.quotes import Span, find_quote
from rag_api.core.sentences import enclosing, split_sentences
from rag_api.core.statements import Claim

SUPPORT_MIN = 0.5
"""Share of a statement's content words that must stand in the quote, its heading or the question."""
MISQUOTED_CHARACTERS_MAX = 20
"""A quote may be wrong for as long as it was right, and this much longer, before it is made up."""
NEAR_TERMS = 3
"""A number's neighbours in a statement must be its neighbours in the quote too, this many words apart at most."""

_NEGATION = re.compile(
    r"\b(?:no|not|never|nobody|none|nothing|neither|nor|without|cannot)\b|n['\u2019]t\b", re.IGNORECASE
)
_NAME = re.compile(r"(?<![.!?:] )(?<!^)\b[^\W\d_a-z][^\W_]+")


def proven(claim: Claim, hit: Hit, question: str) -> Span | None:
    """Return the sentence of `hit` that proves the claim, None if the claim must be dropped.

    The claim's quote must stand in the passage word for word; it is widened to whole sentences, so that a reader
    sees it in its context. Then every number and name of the statement must be in them (or in the question), most
    of its words too, numbers must stand with the same words, and it must not deny what the quote affirms.
    """
    found = find_quote(claim.quote, hit.text)
    if found is None or not terms(claim.text):
        return None
    span = enclosing(split_sentences(hit.text), found)
    quote = hit.text[span.start : span.end]
    holds = (
        _numbers_hold(claim.text, quote, question)
        and _words_hold(claim.text, f"{hit.document.title} {hit.heading} {quote} {question}")
        and bool(_NEGATION.search(claim.text)) == bool(_NEGATION.search(hit.text[found.start : found.end]))
    )
    return span if holds else None


def is_made_up(unfinished: str, hit: Hit) -> bool:
    """Tell if a quote that is still being written has been wrong for longer than it was right.

    A weak model that has lost the passage does not find back: it repeats itself to the end of its tokens.
    """
    right = (len(unfinished) - MISQUOTED_CHARACTERS_MAX) // 2
    return right > 0 and find_quote(unfinished[:right], hit.text) is None


def _words_hold(statement: str, evidence: str) -> bool:
    has = set(terms(evidence))
    names = {term for name in _NAME.findall(statement) for term in terms(name)}
    said = set(terms(statement))
    return names <= has and len(said & has) >= SUPPORT_MIN * len(said)


def _numbers_hold(statement: str, quote: str, question: str) -> bool:
    if not numbers(statement) <= numbers(quote) | numbers(question):
        return False
    said, read = _tokens(statement), _tokens(quote)
    return all(
        _stands_alike(place, said, read) for place, token in enumerate(said) if token in numbers(quote)
    )


def _stands_alike(place: int, said: list[str], read: list[str]) -> bool:
    """Tell if the words beside a number in `said` stand near it somewhere in `read`, as far as `read` has them."""
    beside = {said[i] for i in (place - 1, place + 1) if 0 <= i < len(said)} & set(read)
    near = [
        set(read[max(0, at - NEAR_TERMS) : at + NEAR_TERMS + 1])
        for at, token in enumerate(read)
        if token == said[place]
    ]
    return not near or any(beside <= around for around in near)


def _tokens(text: str) -> list[str]:
    """Return content words as search terms and numbers as figures, in order."""
    tokens: list[str] = []
    for word in re.findall(r"\d+(?:[.,:]\d+)*|[^\W\d_]+", text):
        figure = numbers(word)
        if figure:
            tokens.extend(figure)
        elif word.lower() not in STOPWORDS:
            tokens.extend(terms(word))
    return tokens
