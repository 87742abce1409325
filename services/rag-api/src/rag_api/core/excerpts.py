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


def excerpts(ranked: list[Sentence], hits: list[Hit], *, tokens_max: int) -> list[Excerpt]:
    """Return the passages of the likeliest sentences, then the other `hits`, as long as there is room.

    A passage is whole if it fits, else cut around its likeliest sentence, or to its first units.
    """
    room = tokens_max * CHARACTERS_PER_TOKEN
    chosen: list[Excerpt] = []
    seen: set[int] = set()
    for hit, start in [*((s.hit, s.span.start) for s in ranked), *((hit, 0) for hit in hits)]:
        if hit.chunk_id in seen:
            continue
        if chosen and room < EXCERPT_CHARACTERS_MIN:
            break
        seen.add(hit.chunk_id)
        span = _cut(hit.text, start, room)
        chosen.append(Excerpt(len(chosen) + 1, hit, span))
        room -= span.end - span.start + len(hit.heading)
    return chosen


def _cut(text: str, start: int, room: int) -> Span:
    """Widen the unit at `start` by whole units, in turn behind and before it, while they fit."""
    units = split_sentences(text)
    first = last = next(i for i, unit in enumerate(units) if start < unit.end)
    grows = True
    while grows:
        grows = False
        if last + 1 < len(units) and units[last + 1].end - units[first].start <= room:
            last, grows = last + 1, True
        if first > 0 and units[last].end - units[first - 1].start <= room:
            first, grows = first - 1, True
    return Span(units[first].start, units[last].end)
