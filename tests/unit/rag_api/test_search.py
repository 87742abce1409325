from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from fakes.chunk_index import ChunkRecord, FakeChunkIndex, FakeChunkReader
from kit.principal import Principal
from rag_api.core.ports import ChunkIndex, Survey, Vectors
from rag_api.core.search import (
    QUERY_TERMS_MAX,
    CollectionNotFound,
    SearchParameters,
    SearchResult,
    search,
)

ALICE = Principal("alice", "acme", ("engineering",))
LEAVE = ChunkRecord("Paid vacation is 25 days.", vector=(1.0, 0.0, 0.0, 0.0))
OFFICE = ChunkRecord("The office opens at eight.", vector=(0.0, 1.0, 0.0, 0.0))
TOKYO = ChunkRecord("東京オフィスは八時に開きます。", vector=(0.0, 0.0, 1.0, 0.0))
BANDS = ChunkRecord("Salary bands.", vector=(0.0, 0.0, 0.0, 1.0), allow=("group:finance",))
RECORDS = [LEAVE, OFFICE, TOKYO, BANDS]


class Embedder:
    """Gives every query one vector, and remembers which models were asked."""

    model = "model"

    def __init__(self, *vector: float) -> None:
        self.vector = np.array([vector or LEAVE.vector], dtype=np.float32)
        self.asked: list[str | None] = []

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        self.asked.append(model)
        return self.vector


class WatchedIndex(FakeChunkIndex):
    """Remembers which terms were looked up."""

    terms: Sequence[str] = ()

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[FakeChunkReader]:
        async with super().reading(principal) as reader:
            survey = reader.survey

            async def watched(*, collection: str | None, terms: Sequence[str]) -> Survey | None:
                self.terms = terms
                return await survey(collection=collection, terms=terms)

            reader.survey = watched  # type: ignore[method-assign]  # a spy
            yield reader


async def find(
    query: str,
    *,
    index: ChunkIndex | None = None,
    embedder: Embedder | None = None,
    principal: Principal = ALICE,
    collection: str | None = None,
    limit: int = 10,
    dense_weight: float = 0.7,
) -> SearchResult:
    return await search(
        index or FakeChunkIndex(RECORDS),
        embedder or Embedder(),
        principal,
        query=query,
        collection=collection,
        limit=limit,
        parameters=SearchParameters(dense_weight=dense_weight),
    )


def texts(result: SearchResult) -> list[str]:
    return [hit.text for hit in result.hits]


async def test_a_chunk_near_in_meaning_and_in_words_comes_first() -> None:
    result = await find("How many days of vacation?")
    assert texts(result)[0] == LEAVE.text
    assert result.hits[0].score == pytest.approx(1.0)
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    assert set(result.timings_ms) == {"embed", "survey", "lexical", "dense", "fuse", "passages"}


async def test_words_alone_lift_a_chunk_over_one_that_has_none() -> None:
    between = Embedder(0.0, 0.6, 0.8, 0.0)
    assert texts(await find("when does it open?", embedder=between))[0] == OFFICE.text
    assert texts(await find("when does it open?", embedder=between, dense_weight=1.0))[0] == TOKYO.text


async def test_what_the_caller_may_not_read_is_not_found() -> None:
    assert BANDS.text not in texts(await find("salary bands", embedder=Embedder(*BANDS.vector)))
    bob = Principal("bob", "acme", ("finance",))
    assert texts(await find("salary bands", embedder=Embedder(*BANDS.vector), principal=bob))[0] == BANDS.text


async def test_no_more_hits_than_asked_for() -> None:
    assert len((await find("vacation", limit=2)).hits) == 2
    assert len((await find("vacation", limit=100)).hits) == 3


async def test_without_a_collection_there_is_an_error_and_without_documents_nothing() -> None:
    with pytest.raises(CollectionNotFound):
        await find("vacation", collection="no-such")
    assert (await find("vacation", principal=Principal("eve", "globex"))).hits == []


@pytest.mark.parametrize("query", ["What is it to be?", "???", "八時", "🙂", "\x00"])
async def test_a_query_without_a_term_that_occurs_is_answered_by_meaning(query: str) -> None:
    result = await find(query, embedder=Embedder(*TOKYO.vector))
    assert texts(result)[0] == TOKYO.text
    assert {chunk.bm25 for chunk in result.chunks} == {0.0}


async def test_a_chunk_in_another_script_is_found_by_its_words() -> None:
    result = await find("東京オフィスは八時に開きます", dense_weight=0.0)
    assert texts(result) == [TOKYO.text]
    assert result.chunks[0].coverage == pytest.approx(1.0)


async def test_of_a_huge_query_only_the_first_terms_are_looked_up() -> None:
    index = WatchedIndex(RECORDS)
    words = " ".join(f"word{number}" for number in range(10_000))
    result = await find(f"vacation {words}", index=index)
    assert len(index.terms) == QUERY_TERMS_MAX
    assert texts(result)[0] == LEAVE.text


async def test_each_side_can_do_without_the_other() -> None:
    index, embedder = WatchedIndex(RECORDS), Embedder()
    lexical = await find("vacation", index=index, embedder=embedder, dense_weight=0.0)
    assert texts(lexical) == [LEAVE.text]
    assert lexical.chunks[0].cosine is None
    assert embedder.asked == []
    assert index.terms

    dense = await find("office", index=index, embedder=embedder, dense_weight=1.0)
    assert texts(dense)[0] == LEAVE.text
    assert list(index.terms) == []


async def test_a_collection_of_another_model_is_asked_with_that_model() -> None:
    old = ChunkRecord("Old news.", collection="old", model="other", vector=(0.0, 1.0))

    class TwoModels(Embedder):
        async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
            await super().embed(texts, model=model)
            return np.array([[0.0, 1.0]], dtype=np.float32) if model == "other" else self.vector

    embedder = TwoModels()
    result = await find("nothing", index=FakeChunkIndex([LEAVE, old]), embedder=embedder)
    assert {chunk.hit.text: chunk.cosine for chunk in result.chunks} == pytest.approx(
        {LEAVE.text: 1.0, old.text: 1.0}
    )
    assert sorted(map(str, embedder.asked)) == ["model", "other"]


async def test_ties_come_in_the_same_order_each_time() -> None:
    twins = [ChunkRecord("same", path=f"{number}.md") for number in range(20)]
    results = [await find("same", index=FakeChunkIndex(twins), limit=7) for _ in range(3)]
    assert [[hit.chunk_id for hit in result.hits] for result in results] == [[1, 2, 3, 4, 5, 6, 7]] * 3
