"""A quote is found where it stands word for word, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.quotes import Span, find_quote

TEXT = "Full-time employees receive 25 days\n  of paid vacation. It\u2019s “theirs” — always.\n"
WORDS = st.text(alphabet=st.sampled_from("ab  \n\t'\u2019\"“-—\u00ad.é"), max_size=40)


def same(text: str) -> str:
    """The slow and obvious normal form that the matcher must agree with."""
    for marks, mark in (("\u2018\u2019", "'"), ("“”", '"'), ("—\u2013", "-")):
        for one in marks:
            text = text.replace(one, mark)
    return " ".join(text.replace("\u00ad", "").split())


@pytest.mark.parametrize(
    ("quote", "slice_"),
    [
        ("25 days of paid vacation", "25 days\n  of paid vacation"),
        ('It\'s "theirs" - always.', "It\u2019s “theirs” — always."),
        ('"Full-time employees"', "Full-time employees"),
        ("  receive 25 ", "receive 25"),
        ("“theirs”", "“theirs”"),
    ],
)
def test_a_quote_is_found_whatever_its_spaces_and_quotation_marks(quote: str, slice_: str) -> None:
    span = find_quote(quote, TEXT)
    assert span is not None
    assert TEXT[span.start : span.end] == slice_


@pytest.mark.parametrize(
    "quote",
    [
        "26 days",
        "25 days of vacation",
        "full-time employees",
        "25days",
        "",
        "  ",
        '"',
        "25 days … vacation",
        "É",
    ],
)
def test_what_does_not_stand_there_is_not_found(quote: str) -> None:
    assert find_quote(quote, TEXT) is None


@given(before=WORDS, quote=WORDS, after=WORDS)
def test_what_stands_there_is_found_and_the_offsets_give_it_exactly(
    before: str, quote: str, after: str
) -> None:
    text = before + quote + after
    span = find_quote(quote, text)
    if not same(quote).strip("'\" "):
        assert span is None
        return
    assert span is not None
    assert 0 <= span.start < span.end <= len(text)
    found = text[span.start : span.end]
    assert found == found.strip()
    assert same(found).strip("'\" ") == same(quote).strip("'\" ")


@given(quote=WORDS, text=WORDS)
def test_nothing_is_found_that_is_not_there(quote: str, text: str) -> None:
    span = find_quote(quote, text)
    if span is None:
        assert not same(quote).strip("'\" ") or same(quote) not in same(text)
    else:
        assert same(quote).strip("'\" ") in same(text)


def test_the_first_of_several_places_is_given() -> None:
    assert find_quote("two", "one two two") == Span(4, 7)
