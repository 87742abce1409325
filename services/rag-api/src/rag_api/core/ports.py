"""What the core needs from the outside. `adapters` keeps these promises; `tests/contract` checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kit.contracts.documents import DocumentRef
from kit.principal import Principal

Vectors = npt.NDArray[np.float32]
Postings = npt.NDArray[np.void]
"""One-dimensional, of dtype kit.tables.POSTING."""


class Embedder(Protocol):
    """An embedding model. `kit.embeddings.EmbeddingClient` is one."""

    @property
    def model(self) -> str:
        """The name of the model that is asked when none is named."""
        ...

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        """Return one vector of length 1 a text. Shape: (n, d). Errors: kit.errors.Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The readable chunks that one embedding model made comparable."""

    model_id: int
    model: str
    dimensions: int
    scope_ids: tuple[int, ...]
    chunks: int
    indexed: int
    """About how many chunks the model's index holds, readable or not; 0 if that is not known."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a caller may read of a collection (or of all), and where the query's terms occur in it."""

    chunks: int
    tokens: int
    """Search terms of all those chunks together."""
    spaces: tuple[VectorSpace, ...]
    postings: Mapping[str, Postings]
    """By term; a term that occurs nowhere is missing."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    chunk_id: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk's text and place. `start` and `end` are character offsets in the document's text."""

    chunk_id: int
    document: DocumentRef
    heading: str
    text: str
    start: int
    end: int


class ChunkReader(Protocol):
    """Reads chunks with one caller's rights."""

    async def survey(self, *, collection: str | None, terms: Sequence[str]) -> Survey | None:
        """Return what is readable; None if `collection` names nothing of which the caller may read anything."""
        ...

    async def nearest(
        self, space: VectorSpace, vector: Vectors, *, limit: int, including: Sequence[int] = ()
    ) -> list[Neighbour]:
        """Return the `limit` chunks of `space` nearest to `vector` and those of `including`, nearest first.

        Shape of `vector`: (d,).
        """
        ...

    async def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        """Return the chunks in the given order; those gone or not readable are left out."""
        ...


class ChunkIndex(Protocol):
    """The chunks that ingest wrote."""

    def reading(self, principal: Principal) -> AbstractAsyncContextManager[ChunkReader]:
        """Give a reader that sees what `principal` may read. Errors: kit.errors.Unavailable."""
        ...
