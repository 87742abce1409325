"""Makes the index equal to a source: what changed is read, cut, embedded and swapped in; what is gone goes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from ingest.core import access, chunking
from ingest.core.batches import Batch, batched, through
from ingest.core.documents import (
    Allow,
    Change,
    Content,
    Document,
    Item,
    Known,
    Move,
    Put,
    Remove,
    Unreadable,
    Unsupported,
)
from ingest.core.ports import Collection, DocumentStore, Embedder, Progress, Reader, Source
from ingest.core.report import Left, Report


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
    report = Report(dry_run=options.dry_run)
    listed = []
    for source in sources:
        with report.timed("list"):
            rules = await source.access_rules()
            listed.append(Listed(source, await source.list(), access.parse_rules(rules) if rules else []))
    run = Run(reader, embedder, progress, options, report, total=sum(len(each.items) for each in listed))
    if options.dry_run:
        for each in listed:
            known = await store.known(options.tenant, options.collection, each.source.name)
            async for _ in run.batches(each, known):
                pass
        return report
    async with store.open(options.tenant, options.collection) as collection:
        await run.adopt_model(collection)
        for each in listed:
            await run.bring_up_to_date(each, collection)
        with report.timed("write"):
            await collection.finish(embedder.model)
    return report


@dataclass(slots=True)
class Run:
    """The state of one run."""

    reader: Reader
    embedder: Embedder
    progress: Progress
    options: Options
    report: Report
    total: int
    done: int = 0

    async def adopt_model(self, collection: Collection) -> None:
        """If another model answers queries, embed every chunk with the new one beside it, then switch."""
        active = await collection.model()
        if active in {None, self.embedder.model}:
            return
        self.progress.note(
            f"Embedding the collection with {self.embedder.model}; {active} answers until it is done."
        )
        done = 0
        while waiting := await collection.unembedded(self.embedder.model, self.options.batch_chunks):
            with self.report.timed("embed"):
                vectors = await self.embedder.embed([chunk.passage for chunk in waiting])
            with self.report.timed("write"):
                await collection.add_vectors(
                    self.embedder.model, [chunk.chunk_id for chunk in waiting], vectors
                )
            done += len(waiting)
            self.report.embedded += len(waiting)
            self.progress.show(f"chunks embedded with {self.embedder.model}", done, 0)
        with self.report.timed("write"):
            await collection.finish(self.embedder.model)

    async def bring_up_to_date(self, listed: Listed, collection: Collection) -> None:
        """Read, embed and write, each while the others work on another batch."""
        known = await collection.known(listed.source.name)

        async def write(batch: Batch) -> None:
            with self.report.timed("write"):
                await collection.apply(batch.changes, self.embedder.model)

        await through(self.batches(listed, known), self._embed, write)

    async def batches(self, listed: Listed, known: Mapping[str, Known]) -> AsyncIterator[Batch]:
        """Yield what there is to change, in batches, and count it in the report."""
        listed = self._supported(listed)
        gone = known.keys() - {item.path for item in listed.items}
        self.report.removed += len(gone)
        removals = [Remove(known[path].id) for path in sorted(gone)]
        async for batch in batched(removals, self._changes(listed, known), self.options.batch_chunks):
            yield batch

    def _supported(self, listed: Listed) -> Listed:
        """Return the list without items that no reader can read; the report names them."""
        items = []
        for item in listed.items:
            if item.problem or not item.media_type or self.reader.supports(item.media_type):
                items.append(item)
            else:
                self.report.skipped.append(Left(item.path, str(Unsupported(item.media_type))))
                self.done += 1
        return replace(listed, items=items)

    async def _embed(self, batch: Batch) -> Batch:
        passages = [passage for document in batch.documents for passage in document.passages()]
        if not passages:
            return batch
        with self.report.timed("embed"):
            vectors = await self.embedder.embed(passages)
        self.report.embedded += len(passages)
        start = 0
        for document in batch.documents:
            end = start + len(document.chunks)
            batch.changes.append(Put(document, vectors[start:end]))
            start = end
        return batch

    async def _changes(self, listed: Listed, known: Mapping[str, Known]) -> AsyncIterator[Document | Change]:
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
        allow = access.allow_for(item.path, listed.rules, self.options.allow)
        try:
            found = await self._new_version(listed.source, item, old, allow)
        except Unsupported as error:
            self.report.skipped.append(Left(item.path, str(error), kept=old is not None))
            return self._move(old, allow) if old else None
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

    async def _new_version(
        self, source: Source, item: Item, old: Known | None, allow: Allow
    ) -> Document | None:
        """Return the document if it is new or changed. Errors: Unreadable."""
        if item.problem:
            raise Unreadable(item.problem)
        # A fingerprint counts only if the document was cut as it would be cut today.
        mark = f"{self._signature()} "
        asked = old.fingerprint.removeprefix(mark) if old and old.fingerprint.startswith(mark) else ""
        with self.report.timed("read"):
            content = await source.read(item, asked)
        if content is None:
            return None
        digest = self._hash(content)
        if old and old.content_hash == digest:
            return None
        with self.report.timed("chunk"):
            return await asyncio.to_thread(
                self._document, content, digest, old, source=source.name, path=item.path, allow=allow
            )

    def _document(
        self, content: Content, digest: bytes, old: Known | None, *, source: str, path: str, allow: Allow
    ) -> Document:
        parsed = self.reader.read(content)
        chunks = chunking.cut(parsed, self.options.limits)
        if not chunks:
            raise Unreadable("it holds no text")
        return Document(
            id=old.id if old else uuid4(),
            source=source,
            path=path,
            title=parsed.title or _title(path),
            media_type=content.media_type,
            allow=allow,
            content_hash=digest,
            fingerprint=f"{self._signature()} {content.fingerprint}" if content.fingerprint else "",
            bytes=len(content.data),
            text=parsed.text,
            chunks=chunks,
        )

    def _hash(self, content: Content) -> bytes:
        head = f"{self._signature()}\0{content.media_type}\0{content.charset}\0"
        return hashlib.sha256(head.encode() + content.data).digest()

    def _signature(self) -> str:
        limits = self.options.limits
        return f"{self.reader.signature}/{chunking.VERSION}/{limits.tokens_max}/{limits.overlap_tokens}"


def _title(path: str) -> str:
    """Return a title made of a name: "finance/salary-bands_2026.csv" → "salary bands 2026"."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0] or name
    return " ".join(stem.replace("-", " ").replace("_", " ").split()) or path
