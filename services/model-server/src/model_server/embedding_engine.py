"""all-MiniLM-L6-v2 on ONNX Runtime.

Each batch runs on one thread, and as many batches at once as there are cores: on two cores that embeds a
quarter more than one batch on two threads. Batches hold texts of about one length and few tokens, since
padding and large batches both cost more than they save.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from model_server.errors import ContextLengthExceeded, InvalidRequest, ModelNotLoaded
from model_server.packaged import EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS, packaged

DIMENSIONS = 384
POSITIONS = 512
"""What the model can take. It was trained on 256 tokens, so shorter texts are embedded better."""

BATCH_TOKENS = 256
"""Tokens in a batch, padding included."""

Vectors = npt.NDArray[np.float32]


class EmbeddingEngine:
    """A loaded embedding model. `close` frees its threads."""

    def __init__(self, *, threads: int, tokens_max: int = POSITIONS) -> None:
        """Load the model. Errors: ModelNotLoaded."""
        self.tokens_max = tokens_max
        self._threads = threads
        try:
            self._tokenizer = Tokenizer.from_file(str(packaged(*EMBEDDING_TOKENIZER)))
            self._session = _session(packaged(*EMBEDDING_WEIGHTS))
        except Exception as error:  # both libraries raise bare Exception subclasses of their own
            raise ModelNotLoaded(f"The embedding model cannot be loaded: {error}") from error
        self._tokenizer.no_truncation()  # the file cuts and pads every text to 128
        self._tokenizer.no_padding()
        self._first, self._last = self._tokenizer.encode("").ids
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embed")

    async def tokenise(self, inputs: Sequence[str] | Sequence[Sequence[int]]) -> list[list[int]]:
        """Return each input's token ids with the special tokens.

        Inputs that are token ids already get the special tokens if they lack them.
        Errors: ContextLengthExceeded, InvalidRequest (an unknown token id).
        """
        ids = await asyncio.get_running_loop().run_in_executor(self._pool, self._ids, inputs)
        for position, text in enumerate(ids):
            if len(text) > self.tokens_max:
                raise ContextLengthExceeded(
                    tokens=len(text), tokens_max=self.tokens_max, param="input", what=f"input {position}"
                )
        return ids

    async def embed(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Return one vector a text, in their order.

        Shapes: (n, DIMENSIONS) float32, n = len(ids); rows have length 1.
        """
        vectors = np.empty((len(ids), DIMENSIONS), dtype=np.float32)
        batches = iter(_batches(ids))
        loop = asyncio.get_running_loop()

        async def work() -> None:
            # A request has no more batches in the pool than there are threads: a single query that comes
            # while a thousand texts are embedded waits for a few batches, not for all.
            for rows in batches:
                vectors[rows] = await loop.run_in_executor(self._pool, self._run, [ids[row] for row in rows])

        async with asyncio.TaskGroup() as group:
            for _ in range(self._threads):
                group.create_task(work())
        return vectors

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _ids(self, inputs: Sequence[str] | Sequence[Sequence[int]]) -> list[list[int]]:
        texts = [text for text in inputs if isinstance(text, str)]
        if len(texts) == len(inputs):
            return [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        return [self._wrapped(list(tokens)) for tokens in inputs if not isinstance(tokens, str)]

    def _wrapped(self, tokens: list[int]) -> list[int]:
        unknown = [token for token in tokens if not 0 <= token < self._tokenizer.get_vocab_size()]
        if unknown:
            raise InvalidRequest(f"The model has no token {unknown[0]}.", param="input")
        if tokens[0] == self._first and tokens[-1] == self._last:
            return tokens
        return [self._first, *tokens, self._last]

    def _run(self, batch: Sequence[Sequence[int]]) -> Vectors:
        """Return the mean of each text's token vectors, scaled to length 1. Shapes: n texts → (n, 384)."""
        width = max(len(text) for text in batch)
        tokens = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, text in enumerate(batch):
            tokens[row, : len(text)] = text
            mask[row, : len(text)] = 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (hidden,) = self._session.run(None, feed)
        sums = np.einsum("nwd,nw->nd", hidden, mask.astype(np.float32))
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)


def _session(path: Path) -> Any:
    # Since 1.29 its Linux builds report to Microsoft unless this is set. It is read when the library is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _batches(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return rows of `ids` grouped by length, the longest first so that no thread ends with a long one."""
    batches: list[list[int]] = []
    for row in sorted(range(len(ids)), key=lambda row: len(ids[row]), reverse=True):
        if batches and (len(batches[-1]) + 1) * len(ids[batches[-1][0]]) <= BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
