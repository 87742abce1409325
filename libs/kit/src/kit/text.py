"""The one way from text to search terms, for indexing and for querying alike."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"[^\W_]+")
_ASCII_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}

TERM_CHARACTERS_MAX = 64
"""Longer runs (hashes, base64) are cut: they are never typed into a question in full."""

STOPWORDS = frozenset(
    """
    a an and are as at be been but by did do does for from had has have how i if in into is it its me my of on or
    our s so t than that the their them then there these they this to us was we were what when where which who whom
    why will with would you your
    """.split()  # noqa: SIM905
)


def terms(text: str) -> list[str]:
    """Return the search terms of `text` in order, with repetitions: lower case, no accents, English stems.

    Stop words are dropped; a text of stop words alone gives no term.
    Source: the Snowball English stemmer, https://snowballstem.org/algorithms/english/stemmer.html
    """
    return [term for term in map(_term, _words(_fold(text))) if term]


def _words(text: str) -> list[str]:
    # The same words; an index of English text spends half its time here.
    return text.translate(_ASCII_GAPS).split() if text.isascii() else _WORD.findall(text)


def _fold(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@lru_cache(maxsize=200_000)
def _term(word: str) -> str:
    if word in STOPWORDS:
        return ""
    return str(_stemmer().stemWord(word[:TERM_CHARACTERS_MAX]))


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")
