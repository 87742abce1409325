"""Which sentences of the passages found could answer a question, and how probable it is that they do.

Two linear models over the same few features: one ranks the sentences, the other turns the best one's features into
a probability. Their weights come from questions with known answers: `bench/evidence.py` fits them and writes
`calibration.json`. They hold for the embedding model named there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from kit.contracts.documents import Hit
from kit.text import terms
from rag_api.core.coverage import WordVectors, content_words, coverage
from rag_api.core.cues import focus, numbers
from rag_api.core.ports import Embedder
from rag_api.core.quotes import Span
from rag_api.core.search import RankedChunk, SearchResult
from rag_api.core.sentences import is_table_row, split_sentences
from rag_api.core.wanted import has_wanted

SENTENCES_MAX = 30
"""Sentences that are compared with the question; each is embedded twice. Twice as many found no more answers."""
WORDS_MIN = 3
"""A unit of fewer words is a heading or a label, and no sentence."""

FEATURES = ("in_context", "alone", "coverage", "own_coverage", "passage", "kind", "numbers", "focus")
"""What is known of a sentence, in this order:

in_context    cosine of the question and the sentence behind its heading and the sentence before it
alone         cosine of the question and the sentence
coverage      share of the question's words, or words like them, in the same three, weighted by rarity
own_coverage  the same without the sentence before it
passage       cosine of the question and the whole passage
kind          1 if it has what the question asks for (a sum, a date, a name), -1 if not, 0 if that cannot be told
numbers       share of the question's numbers that it and its context lack
focus         1 if they have the noun of "which noun …", "how many nouns …", -1 if not, 0 if there is none
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of FEATURES. The probability is that of the best-ranked sentence answering the question."""

    ranking: tuple[float, ...]
    decision: tuple[float, ...]
    bias: float

    def rank(self, features: Sequence[float]) -> float:
        return sum(weight * value for weight, value in zip(self.ranking, features, strict=True))

    def probability(self, features: Sequence[float]) -> float:
        logit = self.bias + sum(w * value for w, value in zip(self.decision, features, strict=True))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A unit of a passage that can be quoted: the characters `span` of `hit.text`."""

    hit: Hit
    span: Span
    features: tuple[float, ...]
    rank: float
    probability: float

    @property
    def text(self) -> str:
        return self.hit.text[self.span.start : self.span.end]


@cache
def calibration() -> Calibration:
    """Return the weights that come with this version."""
    document = json.loads((files("rag_api") / "calibration.json").read_text("utf-8"))
    ranking = tuple(document["ranking"][name] for name in FEATURES)
    decision = tuple(document["decision"][name] for name in FEATURES)
    return Calibration(ranking, decision, document["bias"])


class Evidence:
    """Weighs what the passages say against a question."""

    def __init__(self, embedder: Embedder, weights: Calibration | None = None) -> None:
        """`weights`: those that come with this version if absent."""
        self._embedder = embedder
        self._weights = weights or calibration()
        self._words = WordVectors(embedder)

    async def weigh(self, question: str, found: SearchResult) -> list[Sentence]:
        """Return the sentences of the passages found, the likeliest answer first.

        Errors: kit.errors.Unavailable if the embedding model is down.
        """
        units = _units(found, set(terms(question)))
        if not units:
            return []
        vectors = await self._embedder.embed(
            [question, *(unit.in_context for unit in units), *(unit.text for unit in units)]
        )
        cosines = np.asarray(vectors[1:] @ vectors[0], dtype=float).reshape(2, len(units)).T.tolist()
        texts = [question, *(unit.in_context for unit in units)]
        words = await self._words.of(word for text in texts for word in content_words(text))
        sentences = []
        for unit, likeness in zip(units, cosines, strict=True):
            covered = [
                coverage(question, text, found.rarity, words) for text in (unit.in_context, unit.headed)
            ]
            features = (*likeness, *covered, *_other_features(question, unit, likeness[0]))
            rank, probability = self._weights.rank(features), self._weights.probability(features)
            sentences.append(Sentence(unit.chunk.hit, unit.span, features, rank, probability))
        return sorted(sentences, key=lambda sentence: -sentence.rank)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What can be quoted, where it stands, and the unit before it, of which it may speak ("It weighs …")."""

    chunk: RankedChunk
    span: Span
    before: str

    @property
    def text(self) -> str:
        return self.chunk.hit.text[self.span.start : self.span.end]

    @property
    def headed(self) -> str:
        return f"{self.chunk.hit.heading or self.chunk.hit.document.title}: {self.text}"

    @property
    def in_context(self) -> str:
        return f"{self.chunk.hit.heading or self.chunk.hit.document.title}: {self.before} {self.text}"


def _units(found: SearchResult, wanted: set[str]) -> list[_Unit]:
    """Return the units worth a look, from the best passages on; of too many, those that share most terms.

    Passages overlap: a sentence that stands in two of them counts once.
    """
    places = {
        (chunk.hit.document.id, chunk.hit.start + unit.span.start): unit
        for chunk in reversed(found.chunks)
        for unit in reversed(_split(chunk))
    }
    units = list(reversed(places.values()))
    if len(units) > SENTENCES_MAX:
        shared = [len(wanted & set(terms(unit.text))) for unit in units]
        best = sorted(range(len(units)), key=lambda i: -shared[i])[:SENTENCES_MAX]
        units = [units[i] for i in sorted(best)]
    return units


def _split(chunk: RankedChunk) -> list[_Unit]:
    units: list[_Unit] = []
    before = ""
    for span in split_sentences(chunk.hit.text):
        text = chunk.hit.text[span.start : span.end]
        is_row = is_table_row(text)  # rows do not speak of each other
        if _is_sentence(chunk.hit, text):
            units.append(_Unit(chunk, span, "" if is_row else before))
            before = "" if is_row else text
        else:
            before = ""
    return units


def _is_sentence(hit: Hit, text: str) -> bool:
    return len(text.split()) >= WORDS_MIN and text[0] != "#" and text not in hit.heading.split(" > ")


def _other_features(question: str, unit: _Unit, in_context: float) -> tuple[float, ...]:
    asked = numbers(question)
    nouns = set(focus(question))
    return (
        in_context if unit.chunk.cosine is None else unit.chunk.cosine,
        _sign(has_wanted(question, unit.text)),
        len(asked - numbers(unit.in_context)) / len(asked) if asked else 0.0,
        _sign(nouns <= set(terms(unit.in_context)) if nouns else None),
    )


def _sign(truth: bool | None) -> float:
    return 0.0 if truth is None else 1.0 if truth else -1.0
