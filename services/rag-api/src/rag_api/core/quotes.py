"""Find a quote in a passage, word for word, and say where it stands."""

from __future__ import annotations

from dataclasses import dataclass

# Models (and word processors) change these without changing a word.
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u0060\u00b4\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
_OUTER = "'\" "


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to, not including, `end`."""

    start: int
    end: int


def find_quote(quote: str, text: str) -> Span | None:
    """Return where `quote` first stands in `text`, None if it does not.

    Runs of white space, the kinds of quotation marks and of dashes, and invisible characters make no
    difference, and quotation marks around the whole quote are not taken for a part of it. Every other
    character must be the same, capitals included. `text[span.start:span.end]` is the exact slice: it begins
    and ends with a visible character.
    """
    hay, offsets = _normalised(text)
    whole = _normalised(quote)[0].strip()
    for needle in (whole, whole.strip(_OUTER)):
        at = hay.find(needle)
        if needle.strip(_OUTER) and at >= 0:
            return Span(offsets[at], offsets[at + len(needle) - 1] + 1)
    return None


def _normalised(text: str) -> tuple[str, list[int]]:
    """Return the text in one spelling, and for each of its characters the offset where it was."""
    characters: list[str] = []
    offsets: list[int] = []
    for offset, original in enumerate(text):
        character = original.translate(_SAME)
        if character.isspace():
            if characters and characters[-1] == " ":
                continue
            character = " "
        if character:
            characters.append(character)
            offsets.append(offset)
    return "".join(characters), offsets
