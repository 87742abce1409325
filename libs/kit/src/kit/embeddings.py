"""A client of an OpenAI-compatible /v1/embeddings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import httpx
import numpy as np
import numpy.typing as npt

from kit.errors import BadRequest, Misbehaved, Unavailable

Vectors = npt.NDArray[np.float32]


class EmbeddingsUnavailable(Unavailable):
    code = "embeddings_unavailable"


class EmbeddingsMisbehaved(Misbehaved):
    code = "embeddings_error"


class TextTooLong(BadRequest):
    """The model takes no text of this length; nothing was truncated."""

    code = "text_too_long"


class EmbeddingClient:
    """Embeds texts with one model. Closing it is the caller's business (`aclose`)."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout_seconds: float = 60,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.model = model
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._client = httpx.AsyncClient(timeout=timeout_seconds, headers=headers, transport=transport)

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Vectors:
        """Return one vector a text, in their order.

        Shapes: (n, d) float32, d = the model's dimensions; rows have length 1.
        Errors: EmbeddingsUnavailable (retryable), TextTooLong, EmbeddingsMisbehaved.
        """
        body = {"model": model or self.model, "input": list(texts), "encoding_format": "base64"}
        try:
            response = await self._client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise EmbeddingsUnavailable(f"The embedding model at {self._url} does not answer.") from error
        self._check(response)
        try:
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            vectors = np.stack([_vector(row["embedding"]) for row in rows])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise EmbeddingsMisbehaved(f"{self._url} sent something that is no embedding.") from error
        if len(vectors) != len(texts):
            raise EmbeddingsMisbehaved(f"{self._url} sent {len(vectors)} vectors for {len(texts)} texts.")
        return _normalised(vectors)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code in {429, 500, 502, 503, 504}:
            raise EmbeddingsUnavailable(
                f"The embedding model at {self._url} answered {response.status_code}."
            )
        if "context_length_exceeded" in response.text:
            raise TextTooLong("A text is longer than the embedding model takes.")
        raise EmbeddingsMisbehaved(
            f"The embedding model at {self._url} refused the request: {response.status_code} {response.text[:300]}"
        )


def _vector(value: str | list[float]) -> Vectors:
    if isinstance(value, str):  # base64 of little-endian float32, a quarter of JSON's size
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
    return np.asarray(value, dtype=np.float32)


def _normalised(vectors: Vectors) -> Vectors:
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise EmbeddingsMisbehaved("The embedding model sent vectors of different lengths or with NaN.")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
