"""Cut a passage into the units that can be quoted: sentences, list items, table rows."""

from __future__ import annotations

import re
from itertools import pairwise

from rag_api.core.quotes import Span

UNIT_CHARACTERS_MAX = 600
"""A longer unit is cut: some texts have no sentence ends."""

# A full stop ends a sentence if a new one begins behind it, and not after an abbreviation, an initial or a number
# at the start of a list item.
_END = re.compile(
    r"(?<!\b[A-Z])(?<!\be\.g)(?<!\bi\.e)(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bNo)(?<!\bca)(?<!\bvs)"
    r"(?<!^\d)(?<!^\d\d)"
    r"[.!?][\"'\u201d\u2019)\]*_]*(?=\s+[\"'\u201c\u2018(\[*_]*[A-Z0-9])",
    re.MULTILINE,
)
_BLOCK_START = re.compile(r"\s*(?:[-*+•|#>]|\d{1,3}[.)]\s|[a-z][.)]\s|$)")
# A table's row as ingest writes it, "column: value; column: value", stands alone.
_ROW = re.compile(r"[^:;\n]{1,60}: [^;\n]*; [^:;\n]{1,60}: ")
_LINE_CHARACTERS_MIN = 50
"""A line shorter than this was not broken because it was full."""


def split_sentences(text: str) -> list[Span]:
    """Return the units of `text` in order. Together they hold every character that is not white space."""
    return [
        piece
        for block in _blocks(text)
        for sentence in _sentences(text, block)
        for piece in _pieces(text, sentence)
    ]


def enclosing(spans: list[Span], inner: Span) -> Span:
    """Return the smallest run of `spans` that holds `inner`; `inner` itself if none touches it."""
    touched = [span for span in spans if span.start < inner.end and inner.start < span.end]
    if not touched:
        return inner
    return Span(min(inner.start, touched[0].start), max(inner.end, touched[-1].end))


def is_table_row(text: str) -> bool:
    """Tell if a unit is a row of a table, as ingest writes it or as Markdown does."""
    return bool(_ROW.match(text)) or text.startswith("|")


def _blocks(text: str) -> list[Span]:
    """Join the lines of a wrapped paragraph; any other line is a block of its own."""
    blocks: list[Span] = []
    previous = ""
    for match in re.finditer(r"[^\n]*\n?", text):
        line = match.group()
        if blocks and _continues(previous, line):
            blocks[-1] = Span(blocks[-1].start, match.end())
        elif line.strip():
            blocks.append(Span(match.start(), match.end()))
        previous = line
    return blocks


def _continues(previous: str, line: str) -> bool:
    if len(previous.strip()) < _LINE_CHARACTERS_MIN or previous.lstrip().startswith(("#", "|")):
        return False
    return not (_BLOCK_START.match(line) or _ROW.match(previous) or _ROW.match(line))


def _sentences(text: str, block: Span) -> list[Span]:
    ends = [match.end() for match in _END.finditer(text, block.start, block.end)]
    edges = [block.start, *ends, block.end]
    return [Span(start, end) for start, end in pairwise(edges)]


def _pieces(text: str, span: Span) -> list[Span]:
    """Trim white space; cut at spaces what is too long."""
    pieces: list[Span] = []
    start, end = span.start, span.end
    while start < end:
        stop = end
        if end - start > UNIT_CHARACTERS_MAX:
            space = text.rfind(" ", start + 1, start + UNIT_CHARACTERS_MAX)
            stop = space if space > start else start + UNIT_CHARACTERS_MAX
        piece = text[start:stop]
        if piece.strip():
            left = len(piece) - len(piece.lstrip())
            pieces.append(Span(start + left, start + len(piece.rstrip())))
        start = stop
    return pieces
