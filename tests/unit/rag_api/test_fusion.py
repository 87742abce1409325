from __future__ import annotations

import pytest

from rag_api.core.fusion import fuse


def test_the_best_in_both_respects_has_the_score_one() -> None:
    fused = fuse([{1: 0.4, 2: 0.1}], {1: 7.0, 3: 3.5}, dense_weight=0.7)
    assert [chunk for chunk, _ in fused] == [1, 2, 3]
    assert [score for _, score in fused] == pytest.approx([1.0, 0.7 * (1 - 0.3), 0.3 * 0.5])


def test_how_far_apart_two_chunks_are_counts_not_only_their_order() -> None:
    cosines = {1: 0.80, 2: 0.79}
    assert fuse([cosines], {2: 9.0, 1: 8.0}, dense_weight=0.7)[0][0] == 2
    assert fuse([cosines], {2: 9.0, 1: 8.95}, dense_weight=0.7)[0][0] == 1


def test_the_weight_decides_between_the_two() -> None:
    dense, lexical = [{1: 0.9, 2: 0.5}], {2: 5.0, 1: 4.0}
    assert [chunk for chunk, _ in fuse(dense, lexical, dense_weight=1.0)] == [1, 2]
    assert [chunk for chunk, _ in fuse(dense, lexical, dense_weight=0.0)] == [2, 1]


def test_two_models_are_aligned_by_their_best() -> None:
    found = dict(fuse([{1: 0.9, 2: 0.8}, {3: 0.3, 4: 0.1}], {}, dense_weight=1.0))
    assert found == pytest.approx({1: 1.0, 2: 0.9, 3: 1.0, 4: 0.8})


def test_ties_come_by_their_ids() -> None:
    assert [chunk for chunk, _ in fuse([{9: 0.5, 2: 0.5, 5: 0.5}], {}, dense_weight=0.5)] == [2, 5, 9]


def test_one_side_alone_is_a_ranking_too() -> None:
    assert fuse([{}], {4: 2.0, 6: 1.0}, dense_weight=0.5) == [(4, 0.5), (6, 0.25)]
    assert fuse([], {}, dense_weight=0.5) == []
    assert [chunk for chunk, _ in fuse([{8: -0.2, 7: -0.5}], {}, dense_weight=0.5)] == [8, 7]
