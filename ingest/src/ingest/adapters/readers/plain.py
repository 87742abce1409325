"""Plain text. Headings are guessed: a short line that stands alone, or in capitals, above a paragraph."""

from __future__ import annotations

import re

from ingest.adapters.readers.decoding import decode
from ingest.core.documents import Content, Parsed, Section
from ingest.core.outline import HeadingPath

HEADING_CHARACTERS_MAX = 70

_HEADING = re.compile(rf"(?=[^\n]{{3,{HEADING_CHARACTERS_MAX}}}$)(?:\d+[.)]? )?[^\W\d_][^\n]*[^\s.,;:!?\-]$")


def read(content: Content) -> Parsed:
    return outline(decode(content))


def outline(text: str, title: str = "") -> Parsed:
    """Return the text with sections at what looks like a heading; the first line may be the title."""
    path = HeadingPath()
    sections: list[Section] = []
    start, heading = 0, ""
    position = 0
    before = ""
    is_first = True
    for line in text.splitlines(keepends=True):
        line_text = line.strip()
        below = text[position + len(line) : position + len(line) + 200].split("\n", 1)[0].strip()
        if _is_heading(before, line_text, below):
            if position > start:
                sections.append(Section(start, position, heading))
            title = title or (line_text if is_first else "")
            level = 1 if line_text == title else 2
            start, heading = position, path.enter(level, line_text)
        before = line_text
        is_first = is_first and not line_text
        position += len(line)
    return Parsed(text, [*sections, Section(start, len(text), heading)], title)


def _is_heading(before: str, line: str, below: str) -> bool:
    """`before` and `below` are the neighbouring lines, empty for none."""
    if len(line) > HEADING_CHARACTERS_MAX or not below or not _HEADING.match(line):
        return False
    if not line[0].isupper() and not line[0].isdigit():
        return False
    begins_here = not before or before[-1] in ".:!?"
    return begins_here and (line.isupper() or len(below) > len(line))
