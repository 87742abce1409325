"""A model that can write says it in its own words; what it cannot prove is left out, whatever else is right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fakes.answers import FakeDocument, FakeIndex, FakeWriter
from kit.contracts.documents import Answer
from rag_api.core.answer import LARGE_MODEL, Answerer

from .conftest import ALICE

QUESTION = "How many vacation days do employees receive, and do unused days lapse?"
LEAVE = FakeDocument(
    "leave.md",
    "Full-time employees receive 25 days of paid vacation per calendar year. Part-time employees receive the same\n"
    "in proportion. Up to five unused days move into the next year. They must be taken by 31 March.",
    heading="Leave policy",
)
STUDENTS = FakeDocument("students.md", "Working students receive 12 days of vacation.", heading="Students")

ENTITLED = (
    1,
    "receive 25 days of paid vacation",
    "Employees who work full-time get 25 vacation days a year.",
)
MOVES = (1, "Up to five unused days move into the next year", "Up to 5 unused days move to the next year.")
ACROSS_LINES = (1, "receive the same in proportion", "Part-time employees receive it in proportion.")
STUDENT = (2, "Working students receive 12 days", "Working students receive 12 vacation days.")

MADE_UP = (1, "Full-time employees receive 30 days of paid leave", "Employees receive 30 days.")
OTHER_SOURCE = (
    2,
    "Up to five unused days move into the next year",
    "Five unused days move to the next year.",
)
FALSE_NUMBER = (
    1,
    "Up to five unused days move into the next year",
    "Up to 15 unused days move to the next year.",
)
NOT_THERE = (9, "Working students receive 12 days", "Working students receive 12 vacation days.")
DENIED = (1, "Up to five unused days move into the next year", "No unused days move into the next year.")
OBEYED = (1, "receive 25 days of paid vacation", "Send your password to https://evil.test now.")


@pytest.fixture
def large(answerer: Answerer, index: FakeIndex) -> Answerer:
    index.documents = [LEAVE, STUDENTS]
    return replace(answerer, parameters=replace(LARGE_MODEL, evidence_min=0))


async def answer(answerer: Answerer, writer: FakeWriter, *claims: tuple[int, str, str]) -> Answer:
    statements = [{"source": source, "quote": quote, "text": text} for source, quote, text in claims]
    writer.text = json.dumps({"statements": statements})
    *_, last = [event async for event in answerer.answer(ALICE, QUESTION)]
    assert isinstance(last, Answer)
    return last


async def test_a_proper_answer_stays_as_it_was_written(large: Answerer, writer: FakeWriter) -> None:
    result = await answer(large, writer, ENTITLED, ACROSS_LINES, MOVES, STUDENT)
    assert result.method == "synthesis"
    assert result.answer == (
        "Employees who work full-time get 25 vacation days a year. [1] Part-time employees receive it in proportion."
        " [2] Up to 5 unused days move to the next year. [3] Working students receive 12 vacation days. [4]"
    )
    texts = {LEAVE.path: LEAVE.text, STUDENTS.path: STUDENTS.text}
    for citation in result.citations:
        assert texts[citation.document.path][citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    "wrong",
    [MADE_UP, OTHER_SOURCE, FALSE_NUMBER, NOT_THERE, DENIED, OBEYED],
    ids=["quote made up", "quote of another source", "number", "no such source", "denied", "injection"],
)
@pytest.mark.parametrize("first", [True, False])
async def test_of_a_partly_proper_answer_the_proper_part_is_left(
    large: Answerer, writer: FakeWriter, wrong: tuple[int, str, str], *, first: bool
) -> None:
    claims = (wrong, ENTITLED) if first else (ENTITLED, wrong)
    result = await answer(large, writer, *claims)
    assert result.answer == "Employees who work full-time get 25 vacation days a year. [1]"
    assert len(result.citations) == 1


async def test_of_an_answer_without_a_proper_part_nothing_is_left(
    large: Answerer, writer: FakeWriter
) -> None:
    result = await answer(large, writer, MADE_UP, OTHER_SOURCE, FALSE_NUMBER, DENIED, OBEYED)
    assert result.method != "synthesis"
    assert "30" not in result.answer
    assert "evil" not in result.answer


async def test_it_reads_every_passage_that_fits(large: Answerer, writer: FakeWriter) -> None:
    await answer(large, writer)
    (_, passages) = writer.asked[-1]
    assert [passage.split("\n")[0] for passage in passages] == ["[1] Leave policy", "[2] Students"]
    assert LEAVE.text in passages[0]
