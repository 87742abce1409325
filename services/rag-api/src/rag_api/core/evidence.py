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
from rag_api.core.sentences import split_sentences
from rag_api.core.wanted import has_wanted

SENTENCES_MAX = 30
"""Sentences that are compared with the question; each is embedded twice. Twice as many found no more answers."""
WORDS_MIN = 3
"""A unit of fewer words is a heading or a label, and no sentence."""

FEATURES = ("in_context", "alone", "coverage", "passage", "kind", "numbers", "focus")
"""What is known of a sentence, in this order:

in_context  cosine of the question and the sentence behind its heading
alone       cosine of the question and the sentence
coverage    share of the question's words in sentence and heading, or words like them, weighted by rarity
passage     cosine of the question and the whole passage
kind        1 if it has what the question asks for (a sum, a date, a name), -1 if not, 0 if that cannot be told
numbers     share of the question's numbers that it lacks
focus       1 if it has the noun of "which noun …", "how many nouns …", -1 if not, 0 if there is none
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
        texts = [chunk.hit.text[span.start : span.end] for chunk, span in units]
        headed = [f"{chunk.hit.heading}: {text}" for (chunk, _), text in zip(units, texts, strict=True)]
        vectors = await self._embedder.embed([question, *headed, *texts])
        similarity = np.asarray(vectors[1:] @ vectors[0], dtype=float).reshape(2, len(units))
        words = await self._words.of(word for text in [question, *headed] for word in content_words(text))
        sentences = []
        for (chunk, span), context, in_context, alone in zip(
            units, headed, *similarity.tolist(), strict=True
        ):
            covered = coverage(question, context, found.rarity, words)
            features = _features(question, chunk, span, in_context=in_context, alone=alone, covered=covered)
            rank, probability = self._weights.rank(features), self._weights.probability(features)
            sentences.append(Sentence(chunk.hit, span, features, rank, probability))
        return sorted(sentences, key=lambda sentence: -sentence.rank)


def _units(found: SearchResult, wanted: set[str]) -> list[tuple[RankedChunk, Span]]:
    """Return the units worth a look, from the best passages on; of too many, those that share most terms.

    Passages overlap: a sentence that stands in two of them counts once.
    """
    places = {
        (chunk.hit.document.id, chunk.hit.start + span.start): (chunk, span)
        for chunk in reversed(found.chunks)
        for span in reversed(split_sentences(chunk.hit.text))
        if _is_sentence(chunk.hit, span)
    }
    units = list(reversed(places.values()))
    if len(units) > SENTENCES_MAX:
        shared = [len(wanted & set(terms(c.hit.text[s.start : s.end]))) for c, s in units]
        best = sorted(range(len(units)), key=lambda i: -shared[i])[:SENTENCES_MAX]
        units = [units[i] for i in sorted(best)]
    return units


def _is_sentence(hit: Hit, span: Span) -> bool:
    text = hit.text[span.start : span.end]
    return len(text.split()) >= WORDS_MIN and text[0] != "#" and text not in hit.heading.split(" > ")


def _features(
    question: str, chunk: RankedChunk, span: Span, *, in_context: float, alone: float, covered: float
) -> tuple[float, ...]:
    text = chunk.hit.text[span.start : span.end]
    context = f"{chunk.hit.heading} {text}"
    asked = numbers(question)
    nouns = set(focus(question))
    return (
        in_context,
        alone,
        covered,
        in_context if chunk.cosine is None else chunk.cosine,
        _sign(has_wanted(question, text)),
        len(asked - numbers(context)) / len(asked) if asked else 0.0,
        _sign(nouns <= set(terms(context)) if nouns else None),
    )


def _sign(truth: bool | None) -> float:
    return 0.0 if truth is None else 1.0 if truth else -1.0
