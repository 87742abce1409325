"""Only what the quote carries gets through."""

from __future__ import annotations

from uuid import UUID

import pytest

from kit.contracts.documents import DocumentRef, Hit
from rag_api.core.gate import proven
from rag_api.core.statements import Claim

TEXT = (
    "You receive EUR 340 for a primary week and EUR 140 for a secondary week. "
    "Cormorant calls Leila Haddad after ten minutes. Nothing is released after 14:00 on a Friday."
)
HIT = Hit(
    document=DocumentRef(id=UUID(int=1), path="on-call.md", title="On-call guide", collection="default"),
    chunk_id=7,
    heading="On-call guide > Pay",
    text=TEXT,
    start=100,
    end=100 + len(TEXT),
    score=1,
)
PAY = "You receive EUR 340 for a primary week and EUR 140 for a secondary week."


def gate(quote: str, text: str, question: str = "What is paid on call?") -> str | None:
    span = proven(Claim(1, quote, text), HIT, question)
    return TEXT[span.start : span.end] if span else None


def test_a_statement_with_its_quote_gets_through_and_the_quote_is_widened_to_its_sentence() -> None:
    assert gate("EUR 340 for a primary week", "A primary week is paid with EUR 340.") == PAY
    assert gate(PAY, "You receive EUR 340 for a primary week and EUR 140 for a secondary week.") == PAY


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        pytest.param(
            "EUR 350 for a primary week", "A primary week is paid with EUR 350.", id="invented quote"
        ),
        pytest.param(PAY, "A primary week is paid with EUR 430.", id="other number"),
        pytest.param(PAY, "A primary week is paid with four hundred euros.", id="other number in words"),
        pytest.param(PAY, "You receive EUR 340 for a secondary week.", id="numbers swapped"),
        pytest.param(PAY, "Week money comes from Ingrid Vos.", id="name that is not there"),
        pytest.param(PAY, "Managers decide about promotions every spring.", id="other words"),
        pytest.param(PAY, "You do not receive EUR 340 for a primary week.", id="denied"),
        pytest.param(
            "Nothing is released after 14:00 on a Friday.", "Released after 14:00 on a Friday.", id="affirmed"
        ),
        pytest.param("", "You receive EUR 340 for a primary week.", id="no quote"),
        pytest.param(PAY, "", id="no statement"),
    ],
)
def test_a_statement_that_its_quote_does_not_carry_is_dropped(quote: str, text: str) -> None:
    assert gate(quote, text) is None


def test_what_the_question_says_may_be_repeated() -> None:
    question = "What do I get if I was woken 3 times in Lisbon?"
    assert gate(PAY, "In Lisbon you receive EUR 340 for a primary week.", question) == PAY
