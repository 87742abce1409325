"""Batches of changes, and three stages that work on three batches at once, so that memory stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from ingest.core.documents import Change, Document

BATCH_DOCUMENTS_MAX = 1000
BATCH_CHARACTERS_MAX = 4_000_000


@dataclass(slots=True)
class Batch:
    """What one transaction will change: `documents` wait for their vectors and then become changes."""

    changes: list[Change] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    chunks: int = 0
    characters: int = 0

    def add(self, entry: Document | Change) -> None:
        if isinstance(entry, Document):
            self.documents.append(entry)
            self.chunks += len(entry.chunks)
            self.characters += len(entry.text)
        else:
            self.changes.append(entry)

    def is_full(self, chunks_max: int) -> bool:
        return (
            self.chunks >= chunks_max
            or self.characters >= BATCH_CHARACTERS_MAX
            or len(self.changes) + len(self.documents) >= BATCH_DOCUMENTS_MAX
        )


async def batched(
    first: Iterable[Change], rest: AsyncIterator[Document | Change], chunks_max: int
) -> AsyncIterator[Batch]:
    """Yield the changes in batches of about `chunks_max` new chunks."""
    batch = Batch()
    for change in first:
        batch.add(change)
        if batch.is_full(chunks_max):
            yield batch
            batch = Batch()
    async for entry in rest:
        batch.add(entry)
        if batch.is_full(chunks_max):
            yield batch
            batch = Batch()
    if batch.changes or batch.documents:
        yield batch


async def through(
    batches: AsyncIterator[Batch],
    middle: Callable[[Batch], Awaitable[Batch]],
    last: Callable[[Batch], Awaitable[None]],
) -> None:
    """Pass each batch through two stages, in order, while the next ones are being made.

    Errors: the first that any stage raises; the others are stopped.
    """
    made: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)
    passed: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)

    async def make() -> None:
        async for batch in batches:
            await made.put(batch)
        await made.put(None)

    async def work() -> None:
        while (batch := await made.get()) is not None:
            await passed.put(await middle(batch))
        await passed.put(None)

    async def end() -> None:
        while (batch := await passed.get()) is not None:
            await last(batch)

    try:
        async with asyncio.TaskGroup() as group:
            for stage in (make, work, end):
                group.create_task(stage())
    except* Exception as errors:  # noqa: BLE001 - nothing is swallowed: a group of one becomes that one
        raise first_error(errors) from None


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error that is not a group."""
    first = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first
