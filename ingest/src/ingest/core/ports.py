"""What a run needs of the world. One suite of contract tests runs over each port's fake and adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ingest.core.documents import Change, Content, Item, Known, Parsed, Vectors


class Source(Protocol):
    """Where documents come from: a folder, a web site; later git, S3, GCS."""

    @property
    def name(self) -> str:
        """A URL that names the source, the same in every run."""

    async def list(self) -> Sequence[Item]:
        """Return all items, ordered by path. Errors: SourceUnreadable if it cannot be listed.

        A folder in it that cannot be listed is an item with a problem: what is known below it stays as it is.
        """

    async def access_rules(self) -> str | None:
        """Return the text of access.toml, None if the source has none. Errors: SourceUnreadable."""

    async def read(self, item: Item, fingerprint: str) -> Content | None:
        """Return the item's content; None if the source says it is still the version of `fingerprint`.

        Errors: Unreadable, with the reason; Gone if the source says that the document is no longer there.
        """

    async def aclose(self) -> None: ...


class Reader(Protocol):
    """Turns bytes into text."""

    @property
    def signature(self) -> str:
        """Whatever decides the result besides the bytes; another signature reads everything again."""

    def supports(self, media_type: str) -> bool:
        """Tell whether documents of this type can be read at all."""

    async def read(self, content: Content) -> Parsed:
        """Return the text and its outline, within a limit of time. Errors: Unreadable, with the reason."""


class Embedder(Protocol):
    """One embedding model."""

    @property
    def model(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return (n, d) float32 rows of length 1. Errors: kit.errors.Unavailable after its own retries."""


class Unembedded(Protocol):
    """A chunk that has no vector of a model yet."""

    @property
    def chunk_id(self) -> int: ...

    @property
    def passage(self) -> str: ...


class Collection(Protocol):
    """One collection of one tenant, held by this run alone."""

    async def model(self) -> str | None:
        """Return the name of the model whose vectors answer queries; None for a new collection."""

    async def known(self, source: str) -> Mapping[str, Known]:
        """Return the source's documents by path."""

    async def apply(self, changes: Sequence[Change], model: str) -> None:
        """Make all the changes or none of them. Vectors are those of `model`."""

    async def unembedded(self, model: str, limit: int) -> Sequence[Unembedded]:
        """Return up to `limit` chunks without a vector of `model`."""

    async def add_vectors(self, model: str, chunk_ids: Sequence[int], vectors: Vectors) -> None:
        """Add vectors beside those that answer queries now."""

    async def finish(self, model: str) -> None:
        """Let `model` answer queries, with an index; drop other models' vectors and what has become empty."""


class DocumentStore(Protocol):
    """The index."""

    def open(self, tenant: str, collection: str) -> AbstractAsyncContextManager[Collection]:
        """Hold a collection for one run. The hold ends with the process. Errors: CollectionBusy."""

    async def known(self, tenant: str, collection: str, source: str) -> Mapping[str, Known]:
        """Return the source's documents by path, without holding anything."""


class Progress(Protocol):
    """Where a run says how far it is."""

    def show(self, stage: str, done: int, total: int) -> None: ...

    def note(self, message: str) -> None: ...
