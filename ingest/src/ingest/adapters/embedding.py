"""Embeds any number of texts: in requests of limited size, several at once, again after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from ingest.core.documents import Vectors
from ingest.core.ports import Progress
from kit.embeddings import EmbeddingClient, TextTooLong
from kit.errors import Unavailable

_FIRST_PAUSE_SECONDS = 0.2
_PAUSE_SECONDS_MAX = 5.0


class ModelEmbedder:
    """Embedder over an OpenAI-compatible endpoint. It counts what it embeds for the progress."""

    def __init__(
        self,
        client: EmbeddingClient,
        *,
        progress: Progress,
        batch_texts: int = 32,
        requests_at_once: int = 2,
        retry_seconds_max: float = 60,
    ) -> None:
        self._client = client
        self._progress = progress
        self._batch_texts = batch_texts
        self._requests = asyncio.Semaphore(requests_at_once)
        self._retry_seconds_max = retry_seconds_max
        self._done = 0

    @property
    def model(self) -> str:
        return self._client.model

    async def embed(self, texts: Sequence[str]) -> Vectors:
        # Texts of one length in one request: the model pads all to the longest.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [
            order[start : start + self._batch_texts] for start in range(0, len(order), self._batch_texts)
        ]
        found = await asyncio.gather(*(self._request([texts[index] for index in part]) for part in parts))
        vectors = np.concatenate(found)
        result = np.empty_like(vectors)
        result[order] = vectors
        return result

    async def _request(self, texts: list[str]) -> Vectors:
        async with self._requests:
            vectors = await self._embed(texts)
        self._done += len(texts)
        self._progress.show("chunks embedded", self._done, 0)
        return vectors

    async def _embed(self, texts: list[str]) -> Vectors:
        try:
            return await self._retried(texts)
        except TextTooLong:
            if len(texts) > 1:
                return np.concatenate([await self._embed([text]) for text in texts])
            return await self._halves(texts[0])

    async def _halves(self, text: str) -> Vectors:
        """A passage of rare words or another script can exceed the model's limit: take its halves' mean."""
        if len(text) < 2:
            return await self._retried([text])
        middle = text.rfind(" ", 1, len(text) // 2 + 1)
        middle = middle if middle > len(text) // 4 else len(text) // 2
        mean = (await self._embed([text[:middle], text[middle:]])).mean(axis=0, keepdims=True)
        return np.asarray(mean / np.maximum(np.linalg.norm(mean), 1e-12), dtype=np.float32)

    async def _retried(self, texts: list[str]) -> Vectors:
        """Ask again while the model is unavailable, with growing pauses, up to a limit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._retry_seconds_max
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._client.embed(texts)
            except Unavailable:
                if loop.time() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)
