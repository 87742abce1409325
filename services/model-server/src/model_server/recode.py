"""Rewrites a GGUF file's Q4_1 weights as Q8_0, so that prompts are read about twice as fast.

llama.cpp multiplies Q4_1 with a batch one dot product at a time; for Q8_0 it has a matrix kernel. With the bundled
model on AVX2 cores, 667 tokens of a prompt took 8.3 seconds of CPU as Q4_1 and 4.6 as Q8_0; generation is as fast as
before. A weight changes by at most 1/254 of the largest in its block of 32.

Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_q4_1, block_q8_0).
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

from model_server.gguf import read_tensors

Q4_1, Q8_0 = 3, 8
BLOCK = 32
"""Weights in a block of either type."""

_Q4_1 = np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("pairs", "u1", BLOCK // 2)])
_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", BLOCK)])


def recode(source: Path, target: Path) -> None:
    """Write `source` to `target` with Q8_0 in place of Q4_1; all else stays.

    Errors: NotGguf; OSError.
    """
    with source.open("rb") as file, target.open("wb") as out:
        tensors, data_at, alignment = read_tensors(file)
        file.seek(0)
        head = bytearray(file.read(data_at))
        out.seek(data_at)
        ends = [*(tensor.offset for tensor in tensors), source.stat().st_size - data_at]
        for tensor, (begin, end) in zip(tensors, pairwise(ends), strict=True):
            offset = out.tell() - data_at
            data = file.read(end - begin)
            if tensor.kind == Q4_1:
                data = q8_0(data[: tensor.elements // BLOCK * _Q4_1.itemsize])
            struct.pack_into(
                "<IQ", head, tensor.info_at, Q8_0 if tensor.kind == Q4_1 else tensor.kind, offset
            )
            out.write(data + bytes(-len(data) % alignment))
        out.seek(0)
        out.write(head)


def q8_0(data: bytes) -> bytes:
    """Return the weights of Q4_1 blocks of 20 bytes as Q8_0 blocks of 34 bytes."""
    old = np.frombuffer(data, _Q4_1)
    new = np.empty(len(old), _Q8_0)
    step, minimum = old["scale"].astype(np.float32), old["minimum"].astype(np.float32)
    new["scale"] = np.maximum(np.abs(minimum), np.abs(minimum + 15 * step)) / 127
    scale = new["scale"].astype(np.float32)
    units = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    pairs = old["pairs"]  # the first half of a block is in the low four bits, the second in the high ones
    values = np.concatenate([pairs & 15, pairs >> 4], axis=1) * (step * units)[:, None]
    values += (minimum * units)[:, None]
    new["values"] = np.rint(values, out=values).clip(-127, 127)
    return new.tobytes()
