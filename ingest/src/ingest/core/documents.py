"""What a run handles: items of a source, documents, their chunks, and the changes that make an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import numpy.typing as npt

from kit.errors import AppError, Conflict

Vectors = npt.NDArray[np.float32]
Allow = tuple[str, ...]
"""A sorted access list: tenant, group:NAME, user:NAME."""


class SourceUnreadable(AppError):
    """The source cannot be listed in full, so nobody knows what is gone: the run must not begin."""

    code = "source_unreadable"


class BrokenAccessRules(AppError):
    """access.toml cannot be understood, so nobody knows who may read what: the run must not begin."""

    code = "broken_access_rules"


class CollectionBusy(Conflict):
    """Another run works on the collection."""

    code = "collection_busy"


class Unreadable(Exception):
    """One document cannot be read; the message is the reason. The rest of the run goes on."""


class Gone(Unreadable):
    """The document is no longer there, so its former version goes too."""


class Unsupported(Gone):
    """There is no reader for documents of this type."""

    def __init__(self, media_type: str) -> None:
        super().__init__(f"documents of this type are not supported ({media_type})")


@dataclass(frozen=True, slots=True)
class Item:
    """What a source lists.

    `media_type` is empty where it is known only on reading. `problem` says why the item must not be opened at all:
    a device, a link to elsewhere. A path that ends in "/" with a problem is a folder that cannot be listed.
    """

    path: str
    media_type: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """An item's bytes. `charset` and `fingerprint` are empty where the source does not say."""

    data: bytes
    media_type: str
    charset: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a text under one heading path. In `rows` every line is understandable alone."""

    start: int
    end: int
    heading: str = ""
    rows: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text and outline; the sections are in order and do not overlap."""

    text: str
    sections: Sequence[Section]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: characters `start` to `end` of its document's text."""

    start: int
    end: int
    heading: str


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document, cut into chunks. `content_hash` decides whether another version differs."""

    id: UUID
    source: str
    path: str
    title: str
    media_type: str
    allow: Allow
    content_hash: bytes
    fingerprint: str
    bytes: int
    text: str = field(repr=False)
    chunks: Sequence[Chunk] = field(repr=False)

    def passages(self) -> list[str]:
        """Return what is embedded and searched for each chunk."""
        return [
            searchable(self.title, chunk.heading, self.text[chunk.start : chunk.end]) for chunk in self.chunks
        ]


@dataclass(frozen=True, slots=True)
class Known:
    """A document as the index has it."""

    id: UUID
    content_hash: bytes
    allow: Allow
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Put:
    """Insert a document, or replace the version that has its id. `vectors`: (chunks, dimensions) float32."""

    document: Document
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Move:
    """Give a document another access list; nothing else of it changes."""

    id: UUID
    allow: Allow


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a document out of the index."""

    id: UUID


Change = Put | Move | Remove

HEADER_CHARACTERS_MAX = 200


def searchable(title: str, heading: str, text: str) -> str:
    """Return a chunk's text under its title and heading path: a passage often does not name its own subject."""
    header = heading if heading == title or heading.startswith(f"{title} > ") else f"{title} > {heading}"
    header = header.removesuffix(" > ")[:HEADER_CHARACTERS_MAX]
    return f"{header}\n{text}"
