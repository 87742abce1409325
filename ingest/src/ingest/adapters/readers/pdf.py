"""PDF, by its text layer. Words divided at a line's end are joined; lines that repeat on every page are dropped."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter

from ingest.adapters.readers.decoding import clean
from ingest.adapters.readers.plain import outline
from ingest.core.documents import Content, Parsed, Unreadable

_HYPHENATED = re.compile(r"(?<=[a-z\u00df-\u00ff])-\n(?=[a-z\u00df-\u00ff])")
_NO_TITLE = re.compile(r"untitled|microsoft word|\.(?:docx?|pdf|indd|tex|odt)$|^\W*$", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")


def read(content: Content) -> Parsed:
    title, pages = _extract(content.data)
    text = clean("\n\n".join(page for page in _without_margins(pages) if page.strip()))
    if not text.strip():
        raise Unreadable("the PDF has no text layer: it is probably a scan, run OCR on it first")
    return outline(_HYPHENATED.sub("", text), title)


def _extract(data: bytes) -> tuple[str, list[str]]:
    """Return the title, empty if it is not worth showing, and the pages' texts."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    document = PdfReader(io.BytesIO(data))
    if document.is_encrypted and not document.decrypt(""):
        raise Unreadable("the PDF is encrypted and needs a password")
    pages = [page.extract_text() for page in document.pages]
    title = str((document.metadata and document.metadata.title) or "").strip()
    return ("" if len(title) > 200 or _NO_TITLE.search(title) else clean(title)), pages


def _without_margins(pages: list[str]) -> list[str]:
    """Drop first and last lines that more than half of the pages share, but for numbers."""
    if len(pages) < 2:
        return pages
    lines = [page.strip().splitlines() or [""] for page in pages]
    edges = Counter(edge for page in lines for edge in {_edge(page[0]), _edge(page[-1])})
    kept = []
    for page in lines:
        first = 1 if edges[_edge(page[0])] > len(pages) / 2 else 0
        last = len(page) - (1 if edges[_edge(page[-1])] > len(pages) / 2 else 0)
        kept.append("\n".join(page[first:last]))
    return kept


def _edge(line: str) -> str:
    return _DIGITS.sub("#", line.strip())
