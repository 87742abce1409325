from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kit.text import TERM_CHARACTERS_MAX, terms


def test_terms_are_stemmed_lower_case_words_in_order() -> None:
    assert terms("Employees requesting Vacations") == ["employe", "request", "vacat"]


def test_inflections_of_a_word_share_a_term() -> None:
    assert terms("reimburse") == terms("reimbursed") == terms("Reimburses")


def test_stop_words_are_dropped_and_repetitions_kept() -> None:
    assert terms("the leave of the leave") == ["leav", "leav"]


def test_accents_do_not_matter() -> None:
    assert terms("café Zoë") == terms("cafe zoe")


def test_a_long_run_is_cut() -> None:
    assert len(terms("x" * 500)[0]) <= TERM_CHARACTERS_MAX


@given(st.text())
def test_any_text_gives_non_empty_terms_and_the_same_ones_in_capitals(text: str) -> None:
    found = terms(text)
    assert all(found)
    if text.isascii():
        assert terms(text.upper()) == found


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_gives_the_terms_that_it_gives_among_others(text: str) -> None:
    assert terms(text) == terms(f"{text} é")[:-1]
