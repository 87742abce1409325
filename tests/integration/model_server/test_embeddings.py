"""The embedding model behind the API, asked by OpenAI's client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from model_server.settings import EMBEDDING_NAME

pytestmark = pytest.mark.integration

TEXTS = [
    "Employees have 28 days of paid vacation a year.",
    "The database is backed up every night.",
    "cat",
    "Full-time staff may take four weeks and more of holidays. " * 6,
]


@pytest.fixture
def client(embedding_server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{embedding_server}/v1", api_key="none", max_retries=0) as client:
        yield client


def _embed(client: openai.OpenAI, texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    answer = client.embeddings.create(model=EMBEDDING_NAME, input=texts)
    assert [row.index for row in answer.data] == list(range(len(texts)))
    return np.array([row.embedding for row in answer.data], dtype=np.float32)


def test_vectors_have_length_one_and_like_meanings_are_near(client: openai.OpenAI) -> None:
    vectors = _embed(client, TEXTS)
    near = vectors @ _embed(client, ["How much vacation do I get?"])[0]

    assert vectors.shape == (4, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert set(np.argsort(near)[2:]) == {0, 3}


def test_a_texts_vector_does_not_depend_on_its_neighbours(client: openai.OpenAI) -> None:
    together = _embed(client, TEXTS)
    alone = np.vstack([_embed(client, [text]) for text in TEXTS])

    assert np.allclose(together, alone, atol=1e-5)


def test_base64_and_floats_are_the_same_numbers(client: openai.OpenAI) -> None:
    default = client.embeddings.create(model=EMBEDDING_NAME, input="cat")  # the client asks for base64
    floats = client.embeddings.create(model=EMBEDDING_NAME, input="cat", encoding_format="float")

    assert np.allclose(default.data[0].embedding, floats.data[0].embedding, atol=1e-7)
    assert default.usage == floats.usage
    assert floats.usage.prompt_tokens == 3  # [CLS] cat [SEP]


def test_token_ids_embed_as_their_text_does(client: openai.OpenAI) -> None:
    cat = 4937
    expected = _embed(client, ["cat"])[0]

    one = client.embeddings.create(model=EMBEDDING_NAME, input=[cat])
    several = client.embeddings.create(model=EMBEDDING_NAME, input=[[cat], [101, cat, 102]])

    for row in [*one.data, *several.data]:
        assert np.allclose(row.embedding, expected, atol=1e-6)


def test_nothing_is_truncated(client: openai.OpenAI) -> None:
    # 510 words of one token each and the two special tokens are all that the model takes.
    start = _embed(client, ["cat " * 509 + "dog"])
    assert not np.allclose(start, _embed(client, ["cat " * 510]), atol=1e-4)

    with pytest.raises(openai.BadRequestError) as error:
        _embed(client, ["fine", "cat " * 511])

    assert error.value.code == "context_length_exceeded"
    assert "512 tokens" in error.value.message
    assert "input 1 resulted in 513 tokens" in error.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["text", ""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["text", 1]}, "input"),
        ({"input": [30_522]}, "input"),
        ({"input": [-1]}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": "text", "dimensions": 128}, "dimensions"),
        ({"input": "text", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_wrong_inputs_are_refused(embedding_server: str, fields: dict[str, object], param: str) -> None:
    response = httpx.post(f"{embedding_server}/v1/embeddings", json={"model": EMBEDDING_NAME} | fields)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.embeddings.create(model="text-embedding-3-small", input="cat")
    assert error.value.code == "model_not_found"


async def test_a_query_does_not_wait_for_a_large_batch(embedding_server: str) -> None:
    async with httpx.AsyncClient(base_url=embedding_server, timeout=60) as client:

        async def embed(texts: list[str]) -> httpx.Response:
            return await client.post("/v1/embeddings", json={"model": EMBEDDING_NAME, "input": texts})

        large = asyncio.ensure_future(embed([f"{number} " + "many words " * 100 for number in range(30)]))
        while "model_server_requests_in_flight 1.0" not in (await client.get("/metrics")).text:
            assert not large.done()
        query = await embed(["How much vacation do I get?"])

        assert query.status_code == 200
        assert not large.done()
        assert (await large).status_code == 200
