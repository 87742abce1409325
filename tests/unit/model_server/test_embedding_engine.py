"""How texts are put into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model_server.embedding_engine import BATCH_TOKENS, _batches


@given(st.lists(st.integers(1, 512), max_size=60))
def test_every_text_is_in_one_batch_and_no_batch_of_many_is_over_the_limit(lengths: list[int]) -> None:
    batches = _batches([[0] * length for length in lengths])

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or len(batch) * longest <= BATCH_TOKENS


def test_short_texts_share_a_batch_and_long_ones_go_first() -> None:
    assert _batches([[0] * 10, [0] * 300, [0] * 12]) == [[1], [2, 0]]
