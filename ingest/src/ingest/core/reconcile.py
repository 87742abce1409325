"""Makes the index equal to a source: what changed is read, cut, embedded and swapped in; what is gone goes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import uuid4

from ingest.core import access, chunking
from ingest.core.batches import Batch, batched, through
from ingest.core.documents import (
    Allow,
    Change,
    Content,
    Document,
    Gone,
    Item,
    Known,
    Move,
    Put,
    Remove,
    Unreadable,
    Unsupported,
)
from ingest.core.ports import Collection, DocumentStore, Embedder, Progress, Reader, Source
from ingest.core.report import Left, Report, Stopwatch


@dataclass(frozen=True, slots=True)
class Options:
    """Where documents go and how they are cut. `allow` is for those that no rule of access.toml matches."""

    tenant: str
    collection: str
    allow: Allow
    dry_run: bool = False
    limits: chunking.Limits = field(default_factory=chunking.Limits)
    batch_chunks: int = 256
    """A transaction writes about this many chunks; a document is never divided among two."""
    reads_at_once: int = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """A source with what it lists and its access rules."""

    source: Source
    items: Sequence[Item]
    rules: Sequence[access.Rule]


async def reconcile(
    sources: Sequence[Source],
    *,
    store: DocumentStore,
    reader: Reader,
    embedder: Embedder,
    progress: Progress,
    options: Options,
) -> Report:
    """Bring one collection up to date with its sources; other sources' documents in it stay as they are.

    Errors: SourceUnreadable and BrokenAccessRules before anything is written; CollectionBusy;
    kit.errors.Unavailable if the database or the embedding model is down. Whatever was written until then
    is complete, and the next run continues.
    """
    run = Run(reader, embedder, progress, options)
    with run.watch.timed("total"):
        if options.dry_run:
            for listed in await run.list_all(sources):
                known = await store.known(options.tenant, options.collection, listed.source.name)
                async for _ in run.batches(listed, known):
                    pass
        else:
            async with store.open(options.tenant, options.collection) as collection:
                await run.write(sources, collection)
    run.report.seconds = run.watch.seconds
    return run.report


@dataclass(slots=True)
class Run:
    """The state of one run."""

    reader: Reader
    embedder: Embedder
    progress: Progress
    options: Options
    report: Report = field(init=False)
    watch: Stopwatch = field(default_factory=Stopwatch)
    total: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        self.report = Report(dry_run=self.options.dry_run)

    async def write(self, sources: Sequence[Source], collection: Collection) -> None:
        """Do the whole work on a collection that this run holds.

        The sources are listed under the hold: a list from before another run's end could be older than what that
        run wrote, and would take it out again.
        """
        listed = await self.list_all(sources)
        await self.adopt_model(collection)
        for each in listed:
            known = await collection.known(each.source.name)
            await self.bring_up_to_date(each, known, collection)
        with self.watch.timed("write"):
            await collection.finish(self.embedder.model)

    async def list_all(self, sources: Sequence[Source]) -> Sequence[Listed]:
        """List all sources before anything is changed. Errors: SourceUnreadable, BrokenAccessRules."""
        listed = []
        with self.watch.timed("list"):
            for source in sources:
                text = await source.access_rules()
                rules = access.parse_rules(text) if text else []
                items = await source.list()
                listed.append(Listed(source, items, rules))
                for rule in access.unmatched(rules, [item.path for item in items]):
                    self.progress.note(f"{access.FILE}: no document matches {rule.glob!r}.")
        self.total = sum(len(each.items) for each in listed)
        return listed

    async def adopt_model(self, collection: Collection) -> None:
        """If another model answers queries, embed every chunk with the new one beside it, then switch."""
        active, new = await collection.model(), self.embedder.model
        if active in {None, new}:
            return
        self.progress.note(f"Embedding the collection with {new}; {active} answers until it is done.")
        done = 0
        while waiting := await collection.unembedded(new, self.options.batch_chunks):
            with self.watch.timed("embed"):
                vectors = await self.embedder.embed([chunk.passage for chunk in waiting])
            with self.watch.timed("write"):
                await collection.add_vectors(new, [chunk.chunk_id for chunk in waiting], vectors)
            done += len(waiting)
            self.report.embedded += len(waiting)
            self.progress.show(f"chunks embedded with {new}", done, 0)
        with self.watch.timed("write"):
            await collection.finish(new)

    async def bring_up_to_date(
        self, listed: Listed, known: Mapping[str, Known], collection: Collection
    ) -> None:
        """Read, embed and write, each while the others work on another batch."""

        async def write(batch: Batch) -> None:
            with self.watch.timed("write"):
                await collection.apply(batch.changes, self.embedder.model)

        async with aclosing(self.batches(listed, known)) as batches:
            await through(batches, self._embed, write)

    async def batches(self, listed: Listed, known: Mapping[str, Known]) -> AsyncGenerator[Batch, None]:
        """Yield what there is to change, in batches, and count it in the report."""
        first = self._without_reading(listed, known)
        async with aclosing(self._changes(listed, known)) as rest:
            async for batch in batched(first, rest, self.options.batch_chunks):
                yield batch

    def _without_reading(self, listed: Listed, known: Mapping[str, Known]) -> list[Change]:
        """Return what the list alone tells: what is gone, and what moves below a folder that cannot be listed."""
        items = {item.path for item in listed.items}
        closed = tuple(item.path for item in listed.items if item.problem and item.path.endswith("/"))
        changes: list[Change] = []
        for path in sorted(known.keys() - items):
            if path.startswith(closed):
                move = self._move(known[path], access.allow_for(path, listed.rules, self.options.allow))
                changes += [move] if move else []
            else:
                changes.append(self._remove(known[path]))
        return changes

    async def _embed(self, batch: Batch) -> Batch:
        passages = [passage for document in batch.documents for passage in document.passages()]
        if not passages:
            return batch
        with self.watch.timed("embed"):
            vectors = await self.embedder.embed(passages)
        self.report.embedded += len(passages)
        start = 0
        for document in batch.documents:
            end = start + len(document.chunks)
            batch.changes.append(Put(document, vectors[start:end]))
            start = end
        return batch

    async def _changes(
        self, listed: Listed, known: Mapping[str, Known]
    ) -> AsyncGenerator[Document | Change, None]:
        """Yield for each item what has to happen, in the order of the list; several are read ahead."""
        waiting: list[asyncio.Task[Document | Change | None]] = []
        try:
            for item in listed.items:
                waiting.append(asyncio.create_task(self._consider(listed, item, known.get(item.path))))
                full = len(waiting) >= self.options.reads_at_once
                if full and (change := await waiting.pop(0)):
                    yield change
            while waiting:
                if change := await waiting.pop(0):
                    yield change
        finally:
            for task in waiting:
                task.cancel()

    async def _consider(self, listed: Listed, item: Item, old: Known | None) -> Document | Change | None:
        """Return what has to happen because of an item, and count it."""
        allow = access.allow_for(item.path, listed.rules, self.options.allow)
        try:
            found = await self._new_version(listed.source, item, old, allow)
        except Gone as error:
            left = self.report.skipped if isinstance(error, Unsupported) else self.report.failed
            left.append(Left(item.path, str(error)))
            return self._remove(old) if old else None
        except Unreadable as error:
            # The former version stays: a file that is half copied must not erase what is known.
            self.report.failed.append(Left(item.path, str(error), kept=old is not None))
            return self._move(old, allow) if old else None
        finally:
            self.done += 1
            self.progress.show("documents", self.done, self.total)
        if found:
            self.report.chunks += len(found.chunks)
            self.report.changed += old is not None
            self.report.added += old is None
            return found
        if old is None:
            return None
        self.report.unchanged += 1
        return self._move(old, allow)

    def _move(self, old: Known, allow: Allow) -> Move | None:
        if old.allow == allow:
            return None
        self.report.moved += 1
        return Move(old.id, allow)

    def _remove(self, old: Known) -> Remove:
        self.report.removed += 1
        return Remove(old.id)

    async def _new_version(
        self, source: Source, item: Item, old: Known | None, allow: Allow
    ) -> Document | None:
        """Return the document if it is new or changed. Errors: Unreadable."""
        if item.problem:
            raise Unreadable(item.problem)
        if item.media_type and not self.reader.supports(item.media_type):
            raise Unsupported(item.media_type)
        signature = self._signature()
        # A fingerprint counts only if the document was cut as it would be cut today.
        mark = f"{signature} "
        asked = old.fingerprint.removeprefix(mark) if old and old.fingerprint.startswith(mark) else ""
        with self.watch.timed("read"):
            content = await source.read(item, asked)
        if content is None:
            return None
        digest = _hash(content, signature)
        if old and old.content_hash == digest:
            return None
        with self.watch.timed("read"):
            parsed = await self.reader.read(content)
        with self.watch.timed("chunk"):
            chunks = await asyncio.to_thread(chunking.cut, parsed, self.options.limits)
        if not chunks:
            raise Unreadable("it holds no text")
        return Document(
            id=old.id if old else uuid4(),
            source=source.name,
            path=item.path,
            title=parsed.title or _title(item.path),
            media_type=content.media_type,
            allow=allow,
            content_hash=digest,
            fingerprint=mark + content.fingerprint if content.fingerprint else "",
            bytes=len(content.data),
            text=parsed.text,
            chunks=chunks,
        )

    def _signature(self) -> str:
        """Return whatever decides how bytes become chunks."""
        limits = self.options.limits
        return f"{self.reader.signature}/{chunking.VERSION}/{limits.tokens_max}/{limits.overlap_tokens}"


def _hash(content: Content, signature: str) -> bytes:
    head = f"{signature}\0{content.media_type}\0{content.charset}\0"
    return hashlib.sha256(head.encode() + content.data).digest()


def _title(path: str) -> str:
    """Return a title made of a name: "finance/salary-bands_2026.csv" → "salary bands 2026"."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0] or name
    return " ".join(stem.replace("-", " ").replace("_", " ").split()) or path
