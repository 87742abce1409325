"""What search may expect of a chunk index, whichever it is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fakes.chunk_index import ChunkRecord, FakeChunkIndex
from fixtures.chunks import write_chunks
from kit.db import Database
from kit.principal import Principal
from kit.text import terms
from migrations import role_url
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.core.ports import ChunkIndex, Survey


@dataclass
class World:
    """An index of records; names in it are unique, so that tests share a database."""

    index: ChunkIndex
    suffix: str

    def principal(self, tenant: str = "acme", *, groups: tuple[str, ...] = ()) -> Principal:
        return Principal("alice", tenant + self.suffix, groups)

    async def survey(
        self, query: str, principal: Principal | None = None, collection: str | None = "docs"
    ) -> Survey | None:
        async with self.index.reading(principal or self.principal()) as reader:
            return await reader.survey(collection=collection, terms=terms(query))


Build = Callable[[Sequence[ChunkRecord]], Awaitable[World]]


@pytest.fixture(params=["fake", pytest.param("postgres", marks=pytest.mark.integration)])
def admin_url(request: pytest.FixtureRequest) -> str | None:
    """The owner's URL; None for the fake, which needs no database."""
    return request.getfixturevalue("postgres_admin_url") if request.param == "postgres" else None


@pytest.fixture
async def build(admin_url: str | None) -> AsyncIterator[Build]:
    suffix = uuid.uuid4().hex
    databases: list[Database] = []

    def database(role: str) -> Database:
        databases.append(Database(role_url(str(admin_url), role), name="test"))
        return databases[-1]

    async def make(records: Sequence[ChunkRecord]) -> World:
        named = [replace(r, tenant=r.tenant + suffix, model=r.model and r.model + suffix) for r in records]
        if admin_url is None:
            return World(FakeChunkIndex(named), suffix)
        await write_chunks(database("slipway_ingest"), named)
        return World(PostgresChunkIndex(database("slipway_rag_api")), suffix)

    yield make
    for opened in databases:
        await opened.aclose()


async def _texts(world: World, principal: Principal, query: tuple[float, ...], limit: int) -> list[str]:
    survey = await world.survey("", principal)
    assert survey
    async with world.index.reading(principal) as reader:
        found = await reader.nearest(survey.spaces[0], np.array(query, dtype=np.float32), limit=limit)
        return [p.text for p in await reader.passages([n.chunk_id for n in found])]


async def test_a_survey_counts_what_the_caller_may_read_and_nothing_else(build: Build) -> None:
    world = await build(
        [
            ChunkRecord("red apple"),
            ChunkRecord("red wine tasting", allow=("group:finance",)),
            ChunkRecord("red brick", tenant="globex"),
        ]
    )
    everyone = await world.survey("red")
    finance = await world.survey("red", world.principal(groups=("finance",)))
    assert everyone
    assert finance
    assert (everyone.chunks, everyone.tokens, len(everyone.postings["red"])) == (1, 2, 1)
    assert (finance.chunks, finance.tokens, len(finance.postings["red"])) == (2, 5, 2)


async def test_postings_hold_frequency_and_length_and_only_of_the_terms_asked_for(build: Build) -> None:
    world = await build([ChunkRecord("red red apple"), ChunkRecord("green apple")])
    survey = await world.survey("red missing")
    assert survey
    assert list(survey.postings) == ["red"]
    assert survey.postings["red"]["frequency"].tolist() == [2]
    assert survey.postings["red"]["length"].tolist() == [3]


async def test_a_collection_without_rights_looks_like_one_that_is_not_there(build: Build) -> None:
    world = await build([ChunkRecord("red", collection="books", allow=("group:finance",))])
    assert await world.survey("red", collection="books") is None
    assert await world.survey("red", collection="no-such") is None
    assert await world.survey("red", world.principal("globex"), collection="books") is None


async def test_of_nothing_at_all_a_survey_is_empty(build: Build) -> None:
    world = await build([ChunkRecord("red", allow=("group:finance",))])
    survey = await world.survey("red", collection=None)
    assert survey == Survey(chunks=0, tokens=0, spaces=(), postings={})


async def test_a_survey_of_one_collection_leaves_out_the_others(build: Build) -> None:
    world = await build([ChunkRecord("red apple"), ChunkRecord("red", collection="books")])
    one, everything = await world.survey("red"), await world.survey("red", collection=None)
    assert one
    assert everything
    assert (one.chunks, len(one.postings["red"])) == (1, 1)
    assert (everything.chunks, len(everything.postings["red"])) == (2, 2)


async def test_collections_of_different_models_are_different_spaces(build: Build) -> None:
    world = await build(
        [
            ChunkRecord("red"),
            ChunkRecord("red", collection="books", model="other", vector=(1.0, 0.0)),
            ChunkRecord("red", collection="raw", model=None),
        ]
    )
    survey = await world.survey("red", collection=None)
    assert survey
    assert survey.chunks == 3
    described = sorted((s.model.removesuffix(world.suffix), s.dimensions, s.chunks) for s in survey.spaces)
    assert described == [("model", 4, 1), ("other", 2, 1)]


async def test_neighbours_come_nearest_first_with_their_cosines(build: Build) -> None:
    world = await build(
        [
            ChunkRecord("far", vector=(0.0, 1.0, 0.0, 0.0)),
            ChunkRecord("near", vector=(4.0, 3.0, 0.0, 0.0)),
            ChunkRecord("same", vector=(1.0, 0.0, 0.0, 0.0)),
        ]
    )
    survey = await world.survey("")
    assert survey
    async with world.index.reading(world.principal()) as reader:
        found = await reader.nearest(survey.spaces[0], np.array([1, 0, 0, 0], dtype=np.float32), limit=2)
        passages = await reader.passages([neighbour.chunk_id for neighbour in found])
    assert [passage.text for passage in passages] == ["same", "near"]
    assert [neighbour.cosine for neighbour in found] == pytest.approx([1.0, 0.8], abs=1e-3)


async def test_equally_near_chunks_come_by_their_ids(build: Build) -> None:
    world = await build([ChunkRecord(f"twin{number}") for number in range(12)])
    survey = await world.survey("twin0 twin1 twin2")
    assert survey
    first = [int(survey.postings[f"twin{number}"]["chunk"][0]) for number in range(3)]
    async with world.index.reading(world.principal()) as reader:
        found = await reader.nearest(survey.spaces[0], np.array([1, 0, 0, 0], dtype=np.float32), limit=3)
    assert [neighbour.chunk_id for neighbour in found] == sorted(first)


@pytest.mark.parametrize("scan", ["exact", "graph"])
async def test_other_tenants_nearer_chunks_do_not_crowd_out_the_callers(build: Build, scan: str) -> None:
    """Of the nearest rows of the whole index not one is the caller's: a filter on those would leave nothing."""
    theirs = [
        ChunkRecord("theirs", vector=(1.0, 0.001 * number, 0.0, 0.0), tenant="globex")
        for number in range(300)
    ]
    mine = [ChunkRecord("mine", vector=(0.1, 0.0, 1.0, 0.001 * number)) for number in range(5)]
    world = await build([*theirs, *mine])
    survey = await world.survey("")
    assert survey
    [space] = survey.spaces
    if scan == "graph":  # chunks enough that Postgres does not compare them all
        space = replace(space, chunks=10**9, indexed=10**9)
    async with world.index.reading(world.principal()) as reader:
        found = await reader.nearest(space, np.array([1, 0, 0, 0], dtype=np.float32), limit=10)
        passages = await reader.passages([neighbour.chunk_id for neighbour in found])
    assert [passage.text for passage in passages] == ["mine"] * 5


async def test_chunks_asked_for_by_id_get_their_cosines_too(build: Build) -> None:
    world = await build(
        [ChunkRecord("far", vector=(0.0, 1.0, 0.0, 0.0)), ChunkRecord("same", vector=(1.0, 0.0, 0.0, 0.0))]
    )
    survey = await world.survey("far")
    assert survey
    far = int(survey.postings["far"]["chunk"][0])
    async with world.index.reading(world.principal()) as reader:
        found = await reader.nearest(
            survey.spaces[0], np.array([1, 0, 0, 0], dtype=np.float32), limit=1, including=[far]
        )
    assert [neighbour.chunk_id for neighbour in found][1:] == [far]
    assert found[1].cosine == pytest.approx(0.0, abs=1e-3)


async def test_another_callers_chunk_is_neither_near_nor_read_by_its_id(build: Build) -> None:
    world = await build(
        [ChunkRecord("mine", vector=(0.0, 1.0, 0.0, 0.0)), ChunkRecord("secret", allow=("group:finance",))]
    )
    finance = world.principal(groups=("finance",))
    theirs = await world.survey("secret", finance)
    mine = await world.survey("")
    assert theirs
    assert mine
    secret = int(theirs.postings["secret"]["chunk"][0])
    async with world.index.reading(world.principal()) as reader:
        found = await reader.nearest(
            theirs.spaces[0], np.array([1, 0, 0, 0], dtype=np.float32), limit=5, including=[secret]
        )
        assert secret not in [neighbour.chunk_id for neighbour in found]
        assert await reader.passages([secret]) == []
    assert await _texts(world, world.principal(), (1.0, 0.0, 0.0, 0.0), 5) == ["mine"]
    assert await _texts(world, finance, (1.0, 0.0, 0.0, 0.0), 5) == ["secret", "mine"]


async def test_passages_keep_the_given_order_and_know_their_document(build: Build) -> None:
    world = await build([ChunkRecord("one", path="a.md"), ChunkRecord("two", path="b.md")])
    survey = await world.survey("one two")
    assert survey
    ids = [int(survey.postings[term]["chunk"][0]) for term in ("two", "one")]
    async with world.index.reading(world.principal()) as reader:
        passages = await reader.passages(ids)
    assert [(p.chunk_id, p.text, p.start, p.end) for p in passages] == [
        (ids[0], "two", 0, 3),
        (ids[1], "one", 0, 3),
    ]
    assert [(p.document.path, p.document.collection) for p in passages] == [
        ("b.md", "docs"),
        ("a.md", "docs"),
    ]


async def test_a_chunk_that_is_gone_is_left_out(build: Build) -> None:
    world = await build([ChunkRecord("one")])
    survey = await world.survey("one")
    assert survey
    [one] = survey.postings["one"]["chunk"].tolist()
    async with world.index.reading(world.principal()) as reader:
        assert [passage.chunk_id for passage in await reader.passages([one + 10**9, one])] == [one]
        assert await reader.passages([]) == []


async def test_a_reader_for_nobody_reads_nothing(build: Build) -> None:
    world = await build([ChunkRecord("one")])
    nobody = Principal("", "", ())
    survey = await world.survey("one", nobody, collection=None)
    assert survey == Survey(chunks=0, tokens=0, spaces=(), postings={})


async def test_terms_and_names_are_data_and_nothing_else(build: Build) -> None:
    odd = 'it\'s "quoted" {a,b} \\ %s $1'
    world = await build([ChunkRecord("x", collection="o'clock")])
    async with world.index.reading(world.principal()) as reader:
        assert await reader.survey(collection=odd, terms=[]) is None
        survey = await reader.survey(collection="o'clock", terms=[odd, "x"])
    assert survey
    assert list(survey.postings) == ["x"]
