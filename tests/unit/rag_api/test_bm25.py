from __future__ import annotations

from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.tables import POSTING
from rag_api.core import bm25
from rag_api.core.bm25 import LexicalScores
from rag_api.core.ports import Postings

TEXTS = {1: "red red apple", 2: "green apple tree tree tree", 3: "blue"}


def postings(texts: dict[int, str]) -> dict[str, Postings]:
    """Return what an index of these texts holds; a term is a word."""
    words = {number: text.split() for number, text in texts.items()}
    return {
        term: np.array([(n, w.count(term), len(w)) for n, w in words.items() if term in w], dtype=POSTING)
        for term in {word for each in words.values() for word in each}
    }


def score(query: str, texts: dict[int, str], *, k1: float = 1.2, b: float = 0.75) -> LexicalScores:
    tokens = sum(len(text.split()) for text in texts.values())
    return bm25.score(Counter(query.split()), postings(texts), chunks=len(texts), tokens=tokens, k1=k1, b=b)


def by_the_book(query: str, text: str, texts: dict[int, str], *, k1: float, b: float) -> float:
    """Robertson's formula for one document, term by term, with Lucene's idf."""
    total = 0.0
    mean = sum(len(each.split()) for each in texts.values()) / len(texts)
    for term in query.split():
        containing = sum(term in each.split() for each in texts.values())
        idf = log(1 + (len(texts) - containing + 0.5) / (containing + 0.5))
        frequency = text.split().count(term)
        length = len(text.split()) / mean
        if frequency:
            total += idf * frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length))
    return total


def test_a_score_is_what_the_formula_gives_by_hand() -> None:
    # N = 3, 9 words in all, so the mean length is 3. "red": in one text of length 3, twice.
    # idf = ln(1 + 2.5/1.5) = 0.980829; 0.980829 · 2 · 2.2 / (2 + 1.2 · (0.25 + 0.75 · 3/3)) = 1.348640
    scores = score("red", TEXTS)
    assert scores.chunk_ids.tolist() == [1]
    assert scores.bm25.tolist() == pytest.approx([1.348640], abs=1e-6)
    assert scores.rarity == pytest.approx({"red": 0.980829}, abs=1e-6)


@given(
    texts=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), min_size=1, max_size=8),
    query=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6),
    k1=st.floats(0, 3),
    b=st.floats(0, 1),
)
def test_every_score_is_the_sum_over_the_terms(
    texts: list[list[str]], query: list[str], k1: float, b: float
) -> None:
    written = {number: " ".join(words) for number, words in enumerate(texts, start=1)}
    scores = score(" ".join(query), written, k1=k1, b=b)
    for number, text in written.items():
        [(found, coverage)] = scores.of([number])
        assert found == pytest.approx(by_the_book(" ".join(query), text, written, k1=k1, b=b))
        assert (coverage > 0) == bool(set(query) & set(text.split()))
        assert coverage <= 1 + 1e-9


def test_a_term_that_the_query_repeats_counts_as_often() -> None:
    once, twice = score("apple", TEXTS), score("apple apple", TEXTS)
    assert twice.bm25.tolist() == pytest.approx([2 * value for value in once.bm25])


def test_the_best_come_first_and_ties_by_their_ids() -> None:
    scores = score("apple tree", {5: "tree", 3: "apple tree", 9: "tree", 4: "stone"})
    assert scores.best(10) == [3, 5, 9]
    assert scores.best(2) == [3, 5]


def test_coverage_is_the_share_of_the_querys_rarity_that_a_chunk_has() -> None:
    scores = score("red apple missing", TEXTS)
    red, apple, missing = (scores.rarity[term] for term in ("red", "apple", "missing"))
    assert missing > red > apple
    [(_, both), (_, one), (_, none)] = scores.of([1, 2, 3])
    assert both == pytest.approx((red + apple) / (red + apple + missing))
    assert one == pytest.approx(apple / (red + apple + missing))
    assert none == 0


@pytest.mark.parametrize("query", ["", "missing"])
def test_without_a_term_that_occurs_there_are_no_scores(query: str) -> None:
    scores = score(query, TEXTS)
    assert scores.best(10) == []
    assert scores.of([1, 99]) == [(0.0, 0.0), (0.0, 0.0)]


def test_of_nothing_readable_every_term_is_rare() -> None:
    scores = bm25.score(Counter(["red"]), {}, chunks=0, tokens=0, k1=1.2, b=0.75)
    assert scores.best(10) == []
    assert scores.rarity["red"] > 0
