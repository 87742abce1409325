"""The bundled chat model behind the API, asked by OpenAI's client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import openai
import pytest

from fixtures.model_servers import model_server
from model_server.settings import BUNDLED_CHAT_NAME

pytestmark = pytest.mark.integration

CAPITAL: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
TEMPLATE = Path(__file__).parents[2] / "fixtures" / "chatml_tools.jinja"
IDLE_SECONDS_MAX = 30


@pytest.fixture
def client(chat_server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{chat_server}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def tools_client() -> Iterator[openai.OpenAI]:
    """A client of the bundled model with a chat template that has tools; its own has none."""
    with (
        model_server("chat", CHAT_TEMPLATE=str(TEMPLATE), CHAT_CONTEXT_TOKENS="1024") as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


def test_it_answers_and_counts_the_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=BUNDLED_CHAT_NAME, messages=CAPITAL, temperature=0, max_tokens=30
    )

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == BUNDLED_CHAT_NAME
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same_as_an_answer_at_once(client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"messages": CAPITAL, "temperature": 0, "seed": 1, "max_tokens": 30}
    answer = client.chat.completions.create(model=BUNDLED_CHAT_NAME, **fields)
    chunks = list(
        client.chat.completions.create(
            model=BUNDLED_CHAT_NAME, stream=True, stream_options={"include_usage": True}, **fields
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer.choices[0].message.content
    assert chunks[-1].usage
    assert answer.usage
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens


def test_it_stops_where_it_is_told_to(client: openai.OpenAI) -> None:
    def ask(**fields: Any) -> tuple[str, str]:
        choice = client.chat.completions.create(
            model=BUNDLED_CHAT_NAME, messages=CAPITAL, temperature=0, **fields
        ).choices[0]
        return choice.message.content or "", choice.finish_reason

    assert ask(stop="Paris") == ("The capital of France is ", "stop")
    assert ask(stop=["is", "Paris"]) == ("The capital of France ", "stop")
    assert ask(max_completion_tokens=2) == ("The capital", "length")


def test_it_follows_a_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "large": {"type": "boolean"}},
        "required": ["city", "large"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=BUNDLED_CHAT_NAME,
        messages=CAPITAL,
        temperature=1.5,  # the schema must hold even where the model would rather say something else
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema}},
    )

    value = json.loads(answer.choices[0].message.content or "")
    assert set(value) == {"city", "large"}
    assert isinstance(value["large"], bool)


def test_a_schema_that_cannot_be_used_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model=BUNDLED_CHAT_NAME,
            messages=CAPITAL,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "loop", "schema": {"$ref": "#/nowhere"}},
            },
        )

    assert error.value.code == "invalid_json_schema"
    assert error.value.param == "response_format"


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model=BUNDLED_CHAT_NAME, messages=[{"role": "user", "content": "word " * 3000}], stream=stream
        )

    assert error.value.code == "context_length_exceeded"
    assert error.value.param == "messages"
    assert "2048 tokens" in error.value.message
    assert "30" in error.value.message.partition("resulted in ")[2]


def test_it_has_one_model(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [BUNDLED_CHAT_NAME]
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="gpt-4", messages=CAPITAL)
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_that_was_given_up_stops_computing(chat_server: str, stream: bool) -> None:
    body = {"model": BUNDLED_CHAT_NAME, "max_tokens": 2000, "stream": stream, "logit_bias": {"2": -100}}
    body["messages"] = [{"role": "user", "content": "Write a story that never ends."}]  # 2: the end of text
    async with httpx.AsyncClient(base_url=chat_server) as client:
        leaving = asyncio.ensure_future(client.post("/v1/chat/completions", json=body, timeout=60))
        await _until_in_flight(client, 1)
        leaving.cancel()
        await _until_in_flight(client, 0)
        # The next one is answered although the one that was given up had minutes of work left on each slot.
        answers = await asyncio.gather(
            *(
                client.post(
                    "/v1/chat/completions",
                    json={"model": BUNDLED_CHAT_NAME, "messages": CAPITAL, "max_tokens": 3},
                    timeout=IDLE_SECONDS_MAX,
                )
                for _ in range(2)
            )
        )

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_eight_at_once_are_all_answered(chat_server: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{chat_server}/v1", api_key="none", max_retries=0) as client:

        async def say(city: str) -> str:
            schema = {"type": "object", "properties": {"city": {"const": city}}, "required": ["city"]}
            answer_format: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
            stream = await client.chat.completions.create(
                model=BUNDLED_CHAT_NAME,
                messages=CAPITAL,
                max_tokens=30,
                stream=True,
                response_format=answer_format,
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        cities = ["London", "Paris", "Rome", "Madrid", "Berlin", "Vienna", "Dublin", "Athens"]
        answers = await asyncio.gather(*map(say, cities))

    assert [json.loads(answer)["city"] for answer in answers] == cities  # each its own, not its neighbour's


def test_a_body_that_is_too_large_is_refused(chat_server: str) -> None:
    response = httpx.post(
        f"{chat_server}/v1/chat/completions",
        content=b"[" + b" " * 9_000_000,
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


async def _until_in_flight(client: httpx.AsyncClient, count: int) -> None:
    deadline = time.monotonic() + IDLE_SECONDS_MAX
    while f"model_server_requests_in_flight {count}.0" not in (await client.get("/metrics")).text:
        assert time.monotonic() < deadline, f"there are never {count} requests in flight"
        await asyncio.sleep(0.01)


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
        },
    },
}


def _talk(*cities: str) -> Any:
    """A conversation in which the tool was called for all of the cities but the last."""
    messages: list[Any] = [{"role": "system", "content": "You call tools."}]
    for city in cities:
        function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
        call = {"id": city, "type": "function", "function": function}
        messages += [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": city, "content": "rain"},
            {"role": "assistant", "content": "It rains."},
        ]
    return messages[:-3]  # it ends with the question for the last one


@pytest.mark.parametrize(
    "tool_choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_with_a_template_that_has_tools_the_model_calls_them(
    tools_client: openai.OpenAI, tool_choice: Any
) -> None:
    # The model is too small to take up a tool from its description; it does once it has seen calls.
    fields: dict[str, Any] = {"messages": _talk("London", "Rome", "Paris"), "tools": [WEATHER]}
    fields |= {"tool_choice": tool_choice, "temperature": 0, "max_tokens": 100}
    choice = tools_client.chat.completions.create(model=BUNDLED_CHAT_NAME, **fields).choices[0]
    with tools_client.chat.completions.stream(model=BUNDLED_CHAT_NAME, **fields) as stream:
        streamed = stream.get_final_completion().choices[0]

    assert choice.finish_reason == streamed.finish_reason == "tool_calls"
    for calls in (choice.message.tool_calls, streamed.message.tool_calls):
        assert calls
        function = cast("Any", calls[0]).function
        assert (function.name, json.loads(function.arguments)) == ("get_weather", {"city": "Paris"})


def test_a_model_that_cannot_be_loaded_ends_the_process_with_the_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF is not what this is")

    with pytest.raises(AssertionError, match=r"broken\.gguf"), model_server("chat", CHAT_MODEL=str(broken)):
        pass
