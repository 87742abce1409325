"""Chooses the reader of a document by its media type. To support another type, add it to `_READERS`
and to `ingest.core.media.TYPES`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace

from ingest.core.documents import Content, Parsed, Unreadable, Unsupported
from ingest.core.media import TYPES

VERSION = "1"
"""Part of every content hash. Raise it when a change in this package should read all documents anew."""

_READERS = {
    "application/pdf": "pdf",
    "application/xhtml+xml": "html",
    "text/csv": "csv_table",
    "text/html": "html",
    "text/markdown": "markdown",
    "text/plain": "plain",
    "text/tab-separated-values": "csv_table",
    TYPES["docx"]: "docx",
}
"""Media type → module here with `read(content) -> Parsed`; it is imported when the first such document comes."""


class DocumentReader:
    """Reader of all supported types."""

    signature = VERSION

    def supports(self, media_type: str) -> bool:
        return media_type in _READERS

    def read(self, content: Content) -> Parsed:
        if not self.supports(content.media_type):
            raise Unsupported(content.media_type)
        if not content.data:
            raise Unreadable("the file is empty")
        module = importlib.import_module(f"{__package__}.{_READERS[content.media_type]}")
        read: Callable[[Content], Parsed] = module.read
        parsed = read(content)
        if not parsed.text.strip():
            raise Unreadable("it holds no text")
        return replace(parsed, title=" ".join(parsed.title.split()))
