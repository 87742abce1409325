from __future__ import annotations

from math import log2

import pytest

from slipway.retrieval_metrics import ndcg, recall


def test_ndcg_by_hand() -> None:
    # Gains 3, 2 and 1 at the ranks 1, 3 and 6: discounts log2(2), log2(4), log2(7).
    ranking = ["a", "x", "b", "y", "z", "c"]
    gained = 3 / 1 + 2 / 2 + 1 / log2(7)
    ideal = 3 / 1 + 2 / log2(3) + 1 / 2
    assert ndcg(ranking, {"a": 3, "b": 2, "c": 1}, 10) == pytest.approx(gained / ideal)
    assert gained / ideal == pytest.approx(0.914812, abs=1e-6)


def test_ndcg_of_the_best_order_is_one_and_of_nothing_found_zero() -> None:
    assert ndcg(["a", "b", "x"], {"a": 2, "b": 1}, 10) == pytest.approx(1.0)
    assert ndcg(["x", "y"], {"a": 2, "b": 1}, 10) == 0
    assert ndcg([], {"a": 1}, 10) == 0


def test_ndcg_ends_at_k() -> None:
    assert ndcg(["x", "a"], {"a": 1}, 1) == 0
    assert ndcg(["a"], {"a": 1, "b": 1, "c": 1}, 1) == pytest.approx(1.0)


def test_recall_is_the_share_that_is_found_within_k() -> None:
    assert recall(["a", "x", "b"], {"a": 1, "b": 2, "c": 1}, 3) == pytest.approx(2 / 3)
    assert recall(["a", "x", "b"], {"a": 1, "b": 2, "c": 1}, 2) == pytest.approx(1 / 3)
    assert recall([], {"a": 1}, 100) == 0
