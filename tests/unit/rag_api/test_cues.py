"""Numbers, and the nouns that a question is about."""

from __future__ import annotations

import pytest

from rag_api.core.cues import focus, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("EUR 4,500 and 0.5 litres", {"4500", "0.5"}),
        ("at 11:00 on 2026-05-15", {"11:00", "2026", "05", "15"}),
        ("Five of the third kind, twice", {"5", "3", "2"}),
        ("someone", set()),
    ],
)
def test_numbers_are_read_as_figures(text: str, found: set[str]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("question", "nouns"),
    [
        ("Which airline do we fly with?", ["airlin"]),
        ("How many reports came in?", ["report"]),
        ("What is the price?", []),
        ("On which day do we meet?", []),
    ],
)
def test_the_noun_that_is_asked_for_is_known(question: str, nouns: list[str]) -> None:
    assert focus(question) == nouns
