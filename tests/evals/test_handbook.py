"""Golden questions about the handbook (see README.md), asked of the index that the real pipeline made.

Most are answered with a writer that says nothing, so that the documents' own words are the answer: the bundled model
hardly ever proves a statement, and two hundred of its attempts take half an hour. A few go through the whole service.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fixtures.stack import Stack
from kit.contracts.documents import Answer, Citation, DocumentDetail, Usage
from kit.db import Database
from kit.embeddings import EmbeddingClient
from kit.principal import Principal
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.adapters.postgres_documents import PostgresDocuments
from rag_api.core.answer import SMALL_MODEL, Answerer
from rag_api.core.evidence import Evidence
from rag_api.core.ports import ChunkIndex, ChunkReader, Neighbour, Passage, Survey, Vectors, VectorSpace
from slipway.config import load_config
from slipway.environment import connection
from slipway.identity import USERS

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]

FOLDER = Path(__file__).parent / "handbook"
CITED_MIN = 20
ANSWERED_MIN = 18
REFUSED_MIN = 16
"""Floors of the final check with the bundled models, a little under what was seen: of 43 answerable questions 23 cite
the right document and 20 quote all facts; of 20 others 18 are refused. By leaving out each development question in
turn, `make calibrate` sees 75 % right and 92 % refused: the final check asks in words further from the documents'."""
THROUGH_THE_SERVICE = 3
"""Answerable questions that the bundled model is asked too."""


def questions(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


class Silent:
    """A model that states nothing."""

    async def write(self, question: str, passages: Sequence[str]) -> AsyncGenerator[str | Usage, None]:
        assert question
        assert passages
        yield '{"statements": []}'
        yield Usage()


@dataclass(frozen=True)
class Handbook:
    """The stack's index, and answers from it."""

    index: PostgresChunkIndex
    documents: PostgresDocuments
    embedder: EmbeddingClient

    async def answer(self, fields: dict[str, Any], index: ChunkIndex | None = None) -> Answer:
        answerer = Answerer(
            index or self.index, self.embedder, Silent(), Evidence(self.embedder), SMALL_MODEL
        )
        *_, last = [event async for event in answerer.answer(principal(fields), fields["question"])]
        assert isinstance(last, Answer)
        return last

    async def document(self, fields: dict[str, Any], citation: Citation) -> DocumentDetail:
        found = await self.documents.get(principal(fields), citation.document.id)
        assert found
        return found


@pytest_asyncio.fixture(scope="module")
async def handbook(stack: Stack) -> AsyncIterator[Handbook]:
    config = load_config(stack.variables)
    database = Database(connection(config, "DATABASE_URL", "slipway_rag_api"), name="evals")
    embedder = EmbeddingClient(
        base_url=connection(config, "EMBEDDING_BASE_URL"), model="all-minilm-l6-v2", timeout_seconds=60
    )
    yield Handbook(PostgresChunkIndex(database), PostgresDocuments(database), embedder)
    await embedder.aclose()
    await database.aclose()


def principal(fields: dict[str, Any]) -> Principal:
    user = USERS[fields["as"]]
    return Principal(fields["as"], user["tenant"], tuple(user["groups"]))


def is_right(fields: dict[str, Any], answer: Answer) -> bool:
    """Tell if a right document is cited and every fact stands in the answer or its quotes."""
    said = plain(" ".join([answer.answer, *(citation.quote for citation in answer.citations)]))
    return cites_right(fields, answer) and all(plain(fact) in said for fact in fields["facts"])


def cites_right(fields: dict[str, Any], answer: Answer) -> bool:
    documents = [fields["document"]] if isinstance(fields["document"], str) else fields["document"]
    return any(citation.document.path in documents for citation in answer.citations)


def plain(text: str) -> str:
    return " ".join(text.lower().split())


async def test_answerable_questions_are_answered_from_the_right_document_word_for_word(
    handbook: Handbook,
) -> None:
    every = questions("answerable")
    wrong, cited = [], 0
    for fields in every:
        answer = await handbook.answer(fields)
        for citation in answer.citations:
            text = (await handbook.document(fields, citation)).text
            assert text[citation.start : citation.end] == citation.quote
        cited += cites_right(fields, answer)
        if not is_right(fields, answer):
            wrong.append((fields["id"], answer.answer))
    print(f"right document: {cited}, all facts: {len(every) - len(wrong)} of {len(every)}; not: {wrong}")
    assert cited >= CITED_MIN, wrong
    assert len(every) - len(wrong) >= ANSWERED_MIN, wrong


async def test_questions_without_an_answer_are_refused(handbook: Handbook) -> None:
    every = questions("unanswerable")
    answers = [(fields["id"], await handbook.answer(fields)) for fields in every]
    wrong = [(name, answer.answer) for name, answer in answers if not answer.insufficient_evidence]
    print(f"refused: {len(every) - len(wrong)} of {len(every)}; not: {wrong}")
    assert len(every) - len(wrong) >= REFUSED_MIN, wrong


@pytest.mark.parametrize("fields", questions("forbidden"), ids=lambda fields: fields["id"])
async def test_nothing_leaks_to_a_person_without_the_right(
    handbook: Handbook, fields: dict[str, Any]
) -> None:
    answer = await handbook.answer(fields)
    everything = plain(answer.model_dump_json())
    assert not [
        secret for secret in [*fields["forbidden"], *fields["secrets"]] if plain(secret) in everything
    ]
    assert fields["as"] != "eve" or not answer.citations


async def test_with_random_passages_the_questions_are_not_answered(handbook: Handbook) -> None:
    """These questions measure retrieval: they fail when it is replaced by chance."""
    every = questions("answerable")[:20]
    chance = RandomIndex(handbook.index, random.Random(7))
    right = [is_right(fields, await handbook.answer(fields, chance)) for fields in every]
    assert sum(right) < 0.2 * len(every)


@pytest.mark.parametrize(
    "fields",
    [
        *questions("answerable")[:THROUGH_THE_SERVICE],
        *questions("forbidden")[:2],
        *questions("unanswerable")[:2],
    ],
    ids=lambda fields: fields["id"],
)
def test_the_service_with_its_model_says_nothing_that_it_cannot_prove(
    client: httpx.Client, stack: Stack, fields: dict[str, Any]
) -> None:
    client.headers["authorization"] = f"Bearer {stack.token(fields['as'])}"
    response = client.post("/v1/answer", json={"question": fields["question"]})
    response.raise_for_status()
    answer = Answer.model_validate(response.json())
    for citation in answer.citations:
        document = client.get(f"/v1/documents/{citation.document.id}").json()
        assert document["text"][citation.start : citation.end] == citation.quote
    leaked = [secret for secret in fields.get("secrets", []) if plain(secret) in plain(response.text)]
    assert not leaked


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.rag_api, timeout=120) as client:
        yield client


@dataclass(frozen=True)
class RandomIndex:
    """Finds passages by chance, among those that the caller may read."""

    index: ChunkIndex
    chance: random.Random

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[ChunkReader]:
        async with self.index.reading(principal) as reader:
            yield RandomReader(reader, self.chance)


@dataclass(frozen=True)
class RandomReader:
    reader: ChunkReader
    chance: random.Random

    async def survey(self, *, collection: str | None, terms: Sequence[str]) -> Survey | None:
        survey = await self.reader.survey(collection=collection, terms=terms)
        return survey and replace(survey, postings={})

    async def nearest(
        self, space: VectorSpace, vector: Vectors, *, limit: int, including: Sequence[int] = ()
    ) -> list[Neighbour]:
        every = await self.reader.nearest(space, vector, limit=space.chunks, including=including)
        found = self.chance.sample(every, min(limit, len(every)))
        return [Neighbour(found.chunk_id, 1 - place / 100) for place, found in enumerate(found)]

    async def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        return await self.reader.passages(self.chance.sample(chunk_ids, len(chunk_ids)))
