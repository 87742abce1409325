"""What a question asks for, and whether a sentence has it."""

from __future__ import annotations

import pytest

from rag_api.core.cues import focus, has_wanted, numbers


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
    ("question", "sentence", "has"),
    [
        ("How many days do I get?", "You get 25 days.", True),
        ("How many days do I get?", "You get many days.", False),
        ("What does the factor for 2023 cost?", "It is there since 2023.", False),
        ("When does the shift end?", "It ends on Wednesday.", True),
        ("Who signs firmware?", "It is signed by Hana Kimura.", True),
        ("Who signs firmware?", "It is signed by somebody.", False),
        ("May I bring my dog?", "There are 25 days.", None),
    ],
)
def test_a_question_for_a_number_or_a_name_wants_one(
    question: str, sentence: str, *, has: bool | None
) -> None:
    assert has_wanted(question, sentence) is has


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
