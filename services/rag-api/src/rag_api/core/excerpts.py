"""What of the passages goes into the model's prompt."""

from __future__ import annotations

from dataclasses import dataclass

from kit.contracts.documents import Hit
from rag_api.core.evidence import Sentence
from rag_api.core.quotes import Span
from rag_api.core.sentences import split_sentences

CHARACTERS_PER_TOKEN = 4
"""English with a usual tokenizer; the limit is on time and room, and need not be exact."""
EXCERPT_CHARACTERS_MIN = 120
"""Less of a passage says nothing."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage as the model sees it, under a number."""

    number: int
    hit: Hit
    span: Span

    @property
    def prompt(self) -> str:
        return f"[{self.number}] {self.hit.heading}\n{self.hit.text[self.span.start : self.span.end]}"


def excerpts(ranked: list[Sentence], *, tokens_max: int) -> list[Excerpt]:
    """Return the passages of the likeliest sentences, whole while there is room, then cut around the sentence."""
    room = tokens_max * CHARACTERS_PER_TOKEN
    chosen: list[Excerpt] = []
    seen: set[int] = set()
    for sentence in ranked:
        if sentence.hit.chunk_id in seen:
            continue
        if chosen and room < EXCERPT_CHARACTERS_MIN:
            break
        seen.add(sentence.hit.chunk_id)
        span = _cut(sentence, room)
        chosen.append(Excerpt(len(chosen) + 1, sentence.hit, span))
        room -= span.end - span.start + len(sentence.hit.heading)
    return chosen


def _cut(sentence: Sentence, room: int) -> Span:
    """Widen the sentence by whole units, in turn behind and before it, while they fit."""
    units = split_sentences(sentence.hit.text)
    first = last = next(i for i, unit in enumerate(units) if unit.start <= sentence.span.start < unit.end)
    grows = True
    while grows:
        grows = False
        if last + 1 < len(units) and units[last + 1].end - units[first].start <= room:
            last, grows = last + 1, True
        if first > 0 and units[last].end - units[first - 1].start <= room:
            first, grows = first - 1, True
    return Span(units[first].start, units[last].end)
