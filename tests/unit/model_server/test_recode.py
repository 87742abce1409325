"""Q4_1 weights as Q8_0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.gguf_files import gguf_bytes, gguf_with_tensors
from model_server.gguf import NotGguf, read_tensors
from model_server.recode import BLOCK, Q4_1, Q8_0, q8_0, recode

F32 = 0
Weights = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def q4_1(weights: Weights) -> bytes:
    """Quantise (n, 32) weights as llama.cpp does: the smallest is 0, the largest is 15."""
    low = weights.min(axis=1)
    step = ((weights.max(axis=1) - low) / 15).astype("<f2")
    low = low.astype("<f2")
    levels = np.divide(
        weights - low[:, None], step[:, None], out=np.zeros_like(weights), where=step[:, None] > 0
    )
    levels = np.rint(levels).clip(0, 15).astype(np.uint8)
    pairs = levels[:, : BLOCK // 2] | levels[:, BLOCK // 2 :] << 4
    return np.concatenate(
        [step[:, None].view(np.uint8), low[:, None].view(np.uint8), pairs], axis=1
    ).tobytes()


def from_q4_1(data: bytes) -> Weights:
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 20)
    step, low = blocks[:, :2].copy().view("<f2"), blocks[:, 2:4].copy().view("<f2")
    levels = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return (levels * step.astype(np.float32) + low.astype(np.float32)).astype(np.float32)


def from_q8_0(data: bytes) -> Weights:
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 34)
    values = blocks[:, 2:].copy().view(np.int8)
    return (values * blocks[:, :2].copy().view("<f2").astype(np.float32)).astype(np.float32)


def test_a_weight_changes_by_less_than_one_in_250_of_the_largest_beside_it() -> None:
    weights = np.random.default_rng(1).normal(0, 0.05, (500, BLOCK)).astype(np.float32)
    weights[0], weights[1], weights[2] = 0, 0.25, abs(weights[2])  # all zero, all the same, none below zero
    before = from_q4_1(q4_1(weights))
    after = from_q8_0(q8_0(q4_1(weights)))
    largest = np.abs(before).max(axis=1, keepdims=True)
    assert (np.abs(after - before) <= largest / 250).all()
    assert np.abs(after[3:]).max() > 0.05


@pytest.mark.parametrize("alignment", [32, 64])
def test_other_tensors_stay_as_they_are(tmp_path: Path, alignment: int) -> None:
    plain = np.arange(7, dtype="<f4").tobytes()
    quantised = q4_1(np.random.default_rng(2).normal(size=(3, BLOCK)).astype(np.float32))
    source, target = tmp_path / "source.gguf", tmp_path / "target.gguf"
    tensors = [(F32, 7, plain), (Q4_1, 3 * BLOCK, quantised), (F32, 7, plain[::-1])]
    source.write_bytes(gguf_with_tensors(tensors, alignment=alignment))

    recode(source, target)

    expected = [(F32, 7, plain), (Q8_0, 3 * BLOCK, q8_0(quantised)), (F32, 7, plain[::-1])]
    assert target.read_bytes() == gguf_with_tensors(expected, alignment=alignment)
    with target.open("rb") as file:
        found, data_at, _ = read_tensors(file)
    assert [tensor.kind for tensor in found] == [F32, Q8_0, F32]
    assert data_at % alignment == 0


def test_a_file_that_ends_in_its_list_of_tensors_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source.gguf"
    source.write_bytes(gguf_with_tensors([(F32, 1, b"1234")])[: len(gguf_bytes()) + 40])
    with pytest.raises(NotGguf):
        recode(source, tmp_path / "target.gguf")
