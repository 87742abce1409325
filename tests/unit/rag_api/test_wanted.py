"""What kind of thing a question asks for, and whether a sentence holds one."""

from __future__ import annotations

import pytest

from rag_api.core.wanted import has_wanted


@pytest.mark.parametrize(
    ("question", "sentence", "has"),
    [
        ("How many days do I get?", "You get 25 days.", True),
        ("How many days do I get?", "You get many days.", False),
        ("How many days do I get in 2026?", "There are days in 2026.", False),
        ("How many reports came in?", "Three people of the group read all reports.", False),
        ("How many employees are there?", "We are 142 people.", None),
        ("How long does the trial last?", "It lasts two months.", True),
        ("How long does the trial last?", "It lasts until the goals are met.", False),
        ("How soon must I hand it in?", "Hand it in by Friday.", True),
        ("When does the shift end?", "It ends on Wednesday.", True),
        ("When does the shift end?", "It ends at 18:30.", True),
        ("When must I ask?", "Ask ten weeks before.", True),
        ("When must I ask?", "Ask in good time.", False),
        ("When was the last fire?", "The building has to be empty within four minutes.", False),
        ("When was the last fire?", "The last one was in March 2019.", True),
        ("What does the permit cost?", "A permit costs EUR 12.", True),
        ("What does the permit cost?", "The permit has the number 17025.", False),
        ("What does coffee cost?", "Coffee is free.", True),
        ("How large may an export be?", "An export has 3 gigabytes.", True),
        ("How large may an export be?", "An export may be large.", False),
        ("Who signs firmware?", "It is signed by Hana Kimura.", True),
        ("Who signs firmware?", "It is signed by somebody.", None),
        ("May I bring my dog?", "There are 25 days.", None),
    ],
)
def test_a_question_for_some_kind_of_thing_wants_one(
    question: str, sentence: str, *, has: bool | None
) -> None:
    assert has_wanted(question, sentence) is has
