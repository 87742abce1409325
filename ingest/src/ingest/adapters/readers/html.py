"""HTML. Scripts, styles and navigation are dropped; headings make the outline, tables become rows."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ingest.adapters.readers.decoding import clean, decode
from ingest.core.documents import Content, Parsed
from ingest.core.outline import Outline

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_CHARSET_WITHIN_BYTES = 2048

_DROPPED = {"script", "style", "noscript", "template", "svg", "nav", "footer", "iframe", "object", "select"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "form", "header", "hr", "html", "li", "main", "ol", "p", "pre", "section"),
    *("summary", "ul", "br"),
}


def read(content: Content) -> Parsed:
    declared = _CHARSET.search(content.data[:_CHARSET_WITHIN_BYTES])
    page = _Page()
    page.feed(decode(content, declared.group(1).decode() if declared else ""))
    page.close()
    page.end_block()
    return page.outline.finish("".join(page.title))


class _Page(HTMLParser):
    """Hands an outline its pieces as they come: no tree, so no depth is too deep."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.title: list[str] = []
        self._words: list[str] = []
        self._dropped = ""
        self._dropped_depth = 0
        self._in_title = False
        self._rows: list[list[str]] | None = None
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped:
            self._dropped_depth += tag == self._dropped
        elif tag in _DROPPED:
            self._dropped, self._dropped_depth = tag, 1
        elif tag == "title":
            self._in_title = True
        elif tag == "table" and self._rows is None:
            self.end_block()
            self._rows = []
        elif tag == "tr" and self._rows is not None:
            self._end_cell()
            self._rows.append([])
        elif tag in {"td", "th"} and self._rows is not None:
            self._end_cell()
            self._cell = True
        elif tag in _BLOCKS or tag in _HEADINGS:
            self.end_block()

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            self._dropped_depth -= tag == self._dropped
            self._dropped = self._dropped if self._dropped_depth else ""
        elif tag == "title":
            self._in_title = False
        elif tag == "table":
            self._end_table()
        elif tag in {"td", "th", "tr"}:
            self._end_cell()
        elif tag in _HEADINGS and self._rows is None:
            self.outline.heading(_HEADINGS[tag], self._take())
        elif tag in _BLOCKS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if self._dropped:
            return
        if self._in_title:
            self.title.append(data)
        else:
            self._words.append(clean(data))

    def end_block(self) -> None:
        """End the paragraph; inside a table a block is only a space."""
        if self._rows is None:
            self.outline.paragraph(self._take())
        else:
            self._words.append(" ")

    def close(self) -> None:
        super().close()
        self._end_table()

    def _end_cell(self) -> None:
        text = self._take()
        if self._cell and self._rows is not None:
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append(text)
        elif text:
            self.outline.paragraph(text)
        self._cell = False

    def _end_table(self) -> None:
        if self._rows is not None:
            self._end_cell()
            self.outline.table([row for row in self._rows if any(row)])
            self._rows = None

    def _take(self) -> str:
        text = " ".join("".join(self._words).split())
        self._words = []
        return text
