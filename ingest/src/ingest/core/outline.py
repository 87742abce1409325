"""Builds a document's text piece by piece, and remembers under which headings each piece stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.core.documents import Parsed, Section

HEADING_CHARACTERS_MAX = 120


class HeadingPath:
    """The headings above the current place: "Leave policy > Parental leave"."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> str:
        """Come to a heading of `level` (1 is the outermost); return the new path."""
        self._open = [entry for entry in self._open if entry[0] < level]
        self._open.append((level, " ".join(heading.split())[:HEADING_CHARACTERS_MAX]))
        return " > ".join(heading for _, heading in self._open)


class Outline:
    """A text under construction."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._path = HeadingPath()
        self._heading = ""
        self._sections: list[Section] = []
        self._start = 0
        self.first_heading = ""

    def heading(self, level: int, text: str) -> None:
        """Begin a section. The heading is part of the text too."""
        text = " ".join(text.split())
        if not text:
            return
        self._close()
        self._heading = self._path.enter(level, text)
        self.first_heading = self.first_heading or text
        self._add(text)

    def paragraph(self, text: str) -> None:
        if text := text.strip():
            self._add(text)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table whose first row names the columns; each further row becomes "column: value; …"."""
        self._close()
        lines = [line for line in row_lines(rows) if line]
        if lines:
            self._add("\n".join(lines))
            self._close(rows=True)

    def finish(self, title: str = "") -> Parsed:
        self._close()
        return Parsed("".join(self._pieces), self._sections, title or self.first_heading)

    def _add(self, text: str) -> None:
        piece = f"{text}\n\n"
        self._pieces.append(piece)
        self._length += len(piece)

    def _close(self, *, rows: bool = False) -> None:
        if self._length > self._start:
            self._sections.append(Section(self._start, self._length, self._heading, rows))
        self._start = self._length


def row_lines(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield a line for each row after the first; a table of one row, or of one column, has no header."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    if len(cells) < 2 or max(len(row) for row in cells) < 2:
        yield from ("; ".join(filter(None, row)) for row in cells)
        return
    header, *body = cells
    for row in body:
        named = zip([*header, *[""] * (len(row) - len(header))], row, strict=False)
        yield "; ".join(f"{name}: {value}" if name else value for name, value in named if value)
