"""A passage falls into the units that a reader would quote."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.quotes import Span
from rag_api.core.sentences import UNIT_CHARACTERS_MAX, enclosing, split_sentences


def units(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


def test_sentences_end_at_full_stops_but_not_at_abbreviations_initials_or_decimals() -> None:
    assert units("It costs EUR 4.20. Ask Dr. J. Vos, e.g. Tuesday! Why? Because.") == [
        "It costs EUR 4.20.",
        "Ask Dr. J. Vos, e.g. Tuesday!",
        "Why?",
        "Because.",
    ]


def test_a_wrapped_paragraph_is_joined_and_a_list_is_not() -> None:
    text = (
        "This line of a paragraph is so long that it was broken and\ngoes on here. Next one.\n\n"
        "1. Open the door and do not forget to close it behind you\n2. Close the door."
    )
    assert units(text) == [
        "This line of a paragraph is so long that it was broken and\ngoes on here.",
        "Next one.",
        "1. Open the door and do not forget to close it behind you",
        "2. Close the door.",
    ]


def test_each_row_of_a_table_is_a_unit() -> None:
    rows = [
        "band: L1; typical roles: Junior technician; site: Utrecht; minimum: 31800",
        "band: L2; typical roles: Technician; site: Utrecht; minimum: 37400",
        "| SEV1 | alarms are not delivered, or data is being lost | 5 minutes |",
        "| SEV2 | charts or exports unusable for many customers | 15 minutes |",
    ]
    assert units("\n".join(rows)) == rows


@given(st.text(alphabet=st.sampled_from("ab A1.!?\n-:;|\u201d"), max_size=300))
def test_no_visible_character_is_lost_or_given_twice(text: str) -> None:
    spans = split_sentences(text)
    assert "".join("".join(text[s.start : s.end].split()) for s in spans) == "".join(text.split())
    assert all(left.end <= right.start for left, right in pairwise(spans))


def test_an_endless_line_is_cut() -> None:
    assert max(map(len, units("word " * 1000))) <= UNIT_CHARACTERS_MAX
    assert max(map(len, units("x" * 2000))) <= UNIT_CHARACTERS_MAX


def test_a_quote_is_widened_to_the_sentences_that_it_touches() -> None:
    text = "One is here. Two is there. Three is gone."
    spans = split_sentences(text)
    inside = enclosing(spans, Span(text.index("is there"), text.index("Three") + 2))
    assert text[inside.start : inside.end] == "Two is there. Three is gone."
    assert enclosing([], Span(1, 2)) == Span(1, 2)
