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


TITLE_CHARACTERS_MAX = 300


def supports(media_type: str) -> bool:
    """Tell whether there is a reader for this type."""
    return media_type in _READERS


def read(content: Content) -> Parsed:
    """Return the text and its outline. Errors: Unreadable, whatever the document makes its reader do."""
    if not supports(content.media_type):
        raise Unsupported(content.media_type)
    if not content.data:
        raise Unreadable("the file is empty")
    module = importlib.import_module(f"{__package__}.{_READERS[content.media_type]}")
    read_type: Callable[[Content], Parsed] = module.read
    try:
        parsed = read_type(content)
    except Unreadable:
        raise
    except MemoryError as error:
        raise Unreadable("it takes more memory than it may (INGEST_READ_MEMORY_BYTES_MAX)") from error
    except Exception as error:  # libraries raise whatever a broken file makes them stumble over
        raise Unreadable(f"it is not intact: {type(error).__name__}: {error}") from error
    if not parsed.text.strip():
        raise Unreadable("it holds no text")
    return replace(parsed, title=" ".join(parsed.title.split())[:TITLE_CHARACTERS_MAX])
