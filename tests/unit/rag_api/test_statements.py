"""Statements are read from a growing text, each as soon as it is there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.statements import Claim, ClaimReader, answer_schema

CLAIMS = [Claim(1, 'a "quoted" {brace} [1]', "one"), Claim(2, "b\n", "two }")]
DOCUMENT = json.dumps(
    {"statements": [{"source": c.source, "quote": c.quote, "text": c.text} for c in CLAIMS]}
)


def claims(text: str, size: int = 5) -> list[Claim]:
    reader = ClaimReader()
    return [claim for start in range(0, len(text), size) for claim in reader.read(text[start : start + size])]


@given(size=st.integers(1, 200))
def test_it_does_not_matter_how_the_text_is_cut(size: int) -> None:
    assert claims(DOCUMENT, size) == CLAIMS


def test_a_claim_is_given_before_the_text_goes_on() -> None:
    assert ClaimReader().read(DOCUMENT[: DOCUMENT.index("}, {") + 1]) == CLAIMS[:1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"statements": [{"source": 2, "quote": "Full-ti', "Full-ti"),
        (r'{"statements": [{"source": 2, "quote": "a \"b\" \u00e4\nc', 'a "b" ä\nc'),
        ('{"statements": [{"source": 2, "quote": "half an escape \\', "half an escape "),
        (r'{"statements": [{"source": 2, "quote": "half an escape \u00', "half an escape "),
        ('{"statements": [{"source": 2, "quote": "done", "text": "It', None),
        ('{"statements": [{"source": 2, "quo', None),
        (DOCUMENT, None),
        ("no JSON", None),
    ],
)
def test_the_quote_that_is_being_written_is_known(written: str, expected: str | None) -> None:
    reader = ClaimReader()
    for character in written:
        reader.read(character)
    assert reader.unfinished_quote() == expected


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    reader = ClaimReader()
    reader.read('{"statements": [{"source": 1, "quote": "' + text)
    assert text.startswith(reader.unfinished_quote() or "") or "\\" in text


@pytest.mark.parametrize("cut", [0, 1, 20, len(DOCUMENT) // 2])
def test_what_was_cut_off_is_left_out(cut: int) -> None:
    assert claims(DOCUMENT[: len(DOCUMENT) - 4 - cut]) in ([], CLAIMS[:1])


def test_what_stands_around_the_json_is_passed_over() -> None:
    assert claims(f"Sure! Here is [the] answer:\n```json\n{DOCUMENT}\n```") == CLAIMS


@pytest.mark.parametrize(
    "text",
    ["", "no", "{}", '{"statements": []}', '[{"source": "1", "quote": 2}]', '{"statements": [{"a": 1}, 3]}'],
)
def test_what_is_no_claim_is_none(text: str) -> None:
    assert claims(text) == []


def test_the_schema_names_the_sources_there_are() -> None:
    claim = answer_schema(3)["properties"]["statements"]["items"]
    assert claim["properties"]["source"]["enum"] == [1, 2, 3]
    assert list(claim["properties"]) == ["source", "quote", "text"]
