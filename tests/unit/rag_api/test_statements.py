"""Statements are read from a growing text, each as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.statements import Claim, answer_schema, read_claims

CLAIMS = [Claim(1, 'a "quoted" {brace} [1]', "one"), Claim(2, "b\n", "two }")]
DOCUMENT = json.dumps(
    {"statements": [{"source": c.source, "quote": c.quote, "text": c.text} for c in CLAIMS]}
)


async def pieces(text: str, size: int) -> AsyncIterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def claims(text: str, size: int = 5) -> list[Claim]:
    return [claim async for claim in read_claims(pieces(text, size))]


@given(size=st.integers(1, 200))
async def test_it_does_not_matter_how_the_text_is_cut(size: int) -> None:
    assert await claims(DOCUMENT, size) == CLAIMS


async def test_a_claim_is_given_before_the_text_goes_on() -> None:
    async def stuck() -> AsyncIterator[str]:
        yield DOCUMENT[: DOCUMENT.index("}, {") + 1]
        raise AssertionError("the first claim was complete already")

    reader = read_claims(stuck())
    assert await anext(reader) == CLAIMS[0]


@pytest.mark.parametrize("cut", [0, 1, 20, len(DOCUMENT) // 2])
async def test_what_was_cut_off_is_left_out(cut: int) -> None:
    assert await claims(DOCUMENT[: len(DOCUMENT) - 4 - cut]) in ([], CLAIMS[:1])


async def test_what_stands_around_the_json_is_passed_over() -> None:
    assert await claims(f"Sure! Here is [the] answer:\n```json\n{DOCUMENT}\n```") == CLAIMS


@pytest.mark.parametrize(
    "text",
    ["", "no", "{}", '{"statements": []}', '[{"source": "1", "quote": 2}]', '{"statements": [{"a": 1}, 3]}'],
)
async def test_what_is_no_claim_is_none(text: str) -> None:
    assert await claims(text) == []


def test_the_schema_names_the_sources_there_are() -> None:
    claim = answer_schema(3)["properties"]["statements"]["items"]
    assert claim["properties"]["source"]["enum"] == [1, 2, 3]
    assert list(claim["properties"]) == ["source", "quote", "text"]
