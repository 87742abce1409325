"""Markdown. The text stays as it is; headings make the outline."""

from __future__ import annotations

import re

from ingest.adapters.readers.decoding import decode
from ingest.core.documents import Content, Parsed, Section
from ingest.core.outline import HeadingPath

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_MARK = re.compile(
    r"^ {0,3}(?:(?P<fence>```+|~~~+)|(?P<hashes>#{1,6})[ \t]+(?P<atx>[^\n]*)"
    r"|(?P<setext>\S[^\n]{0,200})\n {0,3}(?P<line>=+|-+)[ \t]*$)",
    re.MULTILINE,
)
NAME_CHARACTERS_MAX = 1000

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def read(content: Content) -> Parsed:
    text = decode(content)
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front.group(1)) if front else None
    path = HeadingPath()
    sections: list[Section] = []
    start, heading, first = front.end() if front else 0, "", ""
    for position, level, name in _headings(text, start):
        if position > start:
            sections.append(Section(start, position, heading))
        start, heading = position, path.enter(level, name)
        first = first or name
    sections.append(Section(start, len(text), heading))
    return Parsed(text, sections, title.group(1) if title else first)


def _headings(text: str, start: int) -> list[tuple[int, int, str]]:
    """Return (offset, level, heading) outside of code fences."""
    found = []
    fence = ""
    for mark in _MARK.finditer(text, start):
        if mark["fence"]:
            if not fence:
                fence = mark["fence"]
            elif mark["fence"].startswith(fence):
                fence = ""
        elif not fence:
            level = len(mark["hashes"]) if mark["hashes"] else 1 if mark["line"].startswith("=") else 2
            line = (mark["atx"] or mark["setext"] or "")[:NAME_CHARACTERS_MAX]
            name = _LINK.sub(r"\1", line).strip(" \t#*_`")
            if name and not name.startswith(("|", "-")):
                found.append((mark.start(), level, name))
    return found
