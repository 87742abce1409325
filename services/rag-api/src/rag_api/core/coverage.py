"""How much of a question a sentence speaks of, word by word: "holiday" is covered by "vacation", in part."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from kit.text import terms
from rag_api.core.ports import Embedder

WORDS_KEPT_MAX = 20_000
"""Words whose vectors are kept, the last ones used; 30 MB at 384 dimensions."""
LIKENESS_MIN = 0.3
"""Cosine at which two words have nothing in common: unrelated English words are about as near."""

_ASKING = frozenset(
    """
    can could exactly get gets got many may might much must need please shall should tell
    """.split()  # noqa: SIM905
)
"""Words that ask and say nothing of what is asked for. In a small corpus they are rare, and would weigh most."""

Vector = npt.NDArray[np.float32]


class WordVectors:
    """Vectors of single words. Those of the words used last are kept: a corpus has few, and asks for them often."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: OrderedDict[str, Vector] = OrderedDict()

    async def of(self, wanted: Iterable[str]) -> Mapping[str, Vector]:
        """Return each word's vector, of length 1. Errors: kit.errors.Unavailable."""
        every = set(wanted)
        known = {word: self._kept[word] for word in every if word in self._kept}
        missing = sorted(every - known.keys())
        if missing:
            known |= dict(zip(missing, await self._embedder.embed(missing), strict=True))
        for word, vector in known.items():
            self._kept[word] = vector
            self._kept.move_to_end(word)
        while len(self._kept) > WORDS_KEPT_MAX:
            self._kept.popitem(last=False)
        return known


def content_words(text: str) -> list[str]:
    """Return the words and figures of `text` that say something, in lower case."""
    words = re.findall(r"[^\W\d_]+|\d[\d.,:]*", text.lower())
    return [word for word in words if word not in _ASKING and terms(word)]


def coverage(question: str, text: str, rarity: Mapping[str, float], vectors: Mapping[str, Vector]) -> float:
    """Return the share of the question's words that `text` has, each weighted by the rarity of its term.

    A word that is missing counts as far as the likest word of `text` is like it. From 0 to 1. `vectors` has those
    of both texts' content words.
    """
    asked = content_words(question)
    given = content_words(text)
    if not asked or not given:
        return 0.0
    has = {term for word in given for term in terms(word)}
    likeness = np.stack([vectors[word] for word in given]) @ np.stack([vectors[word] for word in asked]).T
    parts = np.clip((likeness.max(axis=0) - LIKENESS_MIN) / (1 - LIKENESS_MIN), 0, 1)
    weights = [max(rarity.get(term, 1.0) for term in terms(word)) for word in asked]
    covered = [
        weight * (1.0 if has.issuperset(terms(word)) else part)
        for word, weight, part in zip(asked, weights, parts.tolist(), strict=True)
    ]
    return sum(covered) / sum(weights)
