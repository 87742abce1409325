"""What ingest writes is what search finds: the two halves of the index, over one Postgres."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest

from ingest.adapters.postgres import PostgresStore
from ingest.core.documents import Change, Chunk, Document, Move, Put, Remove
from kit.db import Database
from kit.principal import Principal
from kit.text import terms
from migrations import role_url
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.core.ports import Vectors
from rag_api.core.search import CollectionNotFound, SearchParameters, SearchResult, search

pytestmark = pytest.mark.integration

DIMENSIONS = 64
COLLECTION = "docs"


class WordEmbedder:
    """Two texts are as similar as the words that they share."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        return vectors(texts)


def vectors(texts: Sequence[str]) -> Vectors:
    found = np.full((len(texts), DIMENSIONS), 0.01, np.float32)
    for row, text in zip(found, texts, strict=True):
        for term in terms(text):
            row[int.from_bytes(hashlib.sha256(term.encode()).digest()[:2]) % DIMENSIONS] += 1
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@dataclass
class World:
    """An index that is written and searched; its tenants are of its own."""

    store: PostgresStore
    index: PostgresChunkIndex
    embedder: WordEmbedder

    @property
    def tenant(self) -> str:
        return f"acme-{self.embedder.model}"

    async def change(self, *changes: Change, tenant: str = "") -> None:
        async with self.store.open(tenant or self.tenant, COLLECTION) as collection:
            await collection.apply(changes, self.embedder.model)
            await collection.finish(self.embedder.model)

    async def find(self, query: str, *groups: str, dense_weight: float = 0.7) -> SearchResult:
        return await search(
            self.index,
            self.embedder,
            Principal("alice", self.tenant, groups),
            query=query,
            collection=COLLECTION,
            parameters=SearchParameters(dense_weight=dense_weight),
        )


@pytest.fixture
async def world(postgres_admin_url: str) -> AsyncIterator[World]:
    model = uuid.uuid4().hex
    writer = Database(role_url(postgres_admin_url, "slipway_ingest"), name="test", pool_size_max=1)
    reader = Database(role_url(postgres_admin_url, "slipway_rag_api"), name="test")
    store = PostgresStore(writer, progress=mock.Mock(), lock_timeout_seconds=5, index_timeout_seconds=60)
    yield World(store, PostgresChunkIndex(reader), WordEmbedder(model))
    await writer.aclose()
    await reader.aclose()


def put(
    text: str, *, allow: tuple[str, ...] = ("tenant",), path: str = "", id_: uuid.UUID | None = None
) -> Put:
    """Return a document with a chunk for each line."""
    lines = text.splitlines(keepends=True)
    ends = np.cumsum([len(line) for line in lines]).tolist()
    chunks = [Chunk(end - len(line), end, "") for line, end in zip(lines, ends, strict=True)]
    document = Document(
        id=id_ or uuid.uuid4(),
        source="test",
        path=path or f"{uuid.uuid4()}.txt",
        title="",
        media_type="text/plain",
        allow=allow,
        content_hash=bytes(32),
        fingerprint="",
        bytes=len(text),
        text=text,
        chunks=chunks,
    )
    return Put(document, vectors(lines))


def texts(result: SearchResult) -> list[str]:
    return [hit.text.strip() for hit in result.hits]


async def test_a_document_is_found_by_meaning_and_by_words(world: World) -> None:
    await world.change(put("Vacation is 25 days.\nThe office opens at eight."), put("Lunch is at noon."))
    for weight in (0.0, 0.7, 1.0):
        result = await world.find("When is lunch?", dense_weight=weight)
        assert texts(result)[0] == "Lunch is at noon."
    [hit] = (await world.find("office", dense_weight=0.0)).hits
    assert (hit.text, hit.start, hit.end) == ("The office opens at eight.", 21, 47)


async def test_a_deleted_document_is_gone_from_both_rankings_and_from_the_statistics(world: World) -> None:
    gone, stays = put("red apple\nred wine"), put("red brick")
    await world.change(gone, stays)
    assert len((await world.find("red")).hits) == 3
    await world.change(Remove(gone.document.id))
    result = await world.find("red apple")
    assert texts(result) == ["red brick"]
    alone = await world.find("red")
    assert alone.rarity == pytest.approx({"red": np.log1p(0.5 / 1.5)})  # in one chunk of one
    await world.change(Remove(stays.document.id))
    with pytest.raises(CollectionNotFound):
        await world.find("red")


async def test_a_new_version_replaces_the_old_one(world: World) -> None:
    old = put("red apple\nred wine")
    await world.change(old)
    await world.change(put("green tea", path=old.document.path, id_=old.document.id))
    assert texts(await world.find("red apple green")) == ["green tea"]
    assert texts(await world.find("red", dense_weight=0.0)) == []


async def test_a_document_that_is_moved_is_found_by_its_new_readers_alone(world: World) -> None:
    bands = put("salary bands", allow=("group:finance",))
    await world.change(bands, put("lunch menu"))
    assert texts(await world.find("salary bands", "finance"))[0] == "salary bands"
    assert texts(await world.find("salary bands")) == ["lunch menu"]
    await world.change(Move(bands.document.id, ("group:board",)))
    assert texts(await world.find("salary bands", "board"))[0] == "salary bands"
    assert texts(await world.find("salary bands", "finance")) == ["lunch menu"]


async def test_what_others_wrote_changes_neither_hits_nor_scores(world: World) -> None:
    await world.change(put("red apple"), put("red brick"), put("blue sky"))
    before = await world.find("red apple")
    await world.change(put("red apple\napple tree\nred"), tenant=f"globex-{world.embedder.model}")
    await world.change(put("red apple secret", allow=("group:finance",)))
    after = await world.find("red apple")
    assert after.hits == before.hits
    assert after.rarity == before.rarity


async def test_documents_without_a_term_are_found_too(world: World) -> None:
    await world.change(put("???"), put("八時に開く"))
    assert set(texts(await world.find("who is it?"))) == {"???", "八時に開く"}
