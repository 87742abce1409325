"""Chunks become one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from model_server.completions import collect


async def _chunks(
    *choices: dict[str, Any], usage: dict[str, int] | None = None
) -> AsyncIterator[dict[str, Any]]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for choice in choices:
        yield head | {"choices": [{"index": 0, "finish_reason": None} | choice]}
    yield head | {"choices": [], "usage": usage or {"prompt_tokens": 3, "completion_tokens": 2}}


async def test_text_is_joined_and_the_end_is_kept() -> None:
    answer = await collect(
        _chunks(
            {"delta": {"role": "assistant", "content": None}},
            {"delta": {"content": "Par"}},
            {"delta": {"content": "is"}},
            {"delta": {}, "finish_reason": "stop"},
        )
    )

    assert answer == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Paris"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
    }


async def test_tool_calls_are_put_together_by_their_index() -> None:
    answer = await collect(
        _chunks(
            {
                "delta": {
                    "tool_calls": [{"index": 0, "id": "a", "function": {"name": "get", "arguments": '{"x'}}]
                }
            },
            {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '":1}'}}]}},
            {
                "delta": {
                    "tool_calls": [{"index": 1, "id": "b", "function": {"name": "put", "arguments": "{}"}}]
                }
            },
            {"delta": {}, "finish_reason": "tool_calls"},
        )
    )

    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "get", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "put", "arguments": "{}"}},
    ]


async def test_log_probabilities_are_joined() -> None:
    answer = await collect(
        _chunks(
            {"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}},
            {"delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}},
        )
    )

    assert answer["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


async def test_a_model_that_says_nothing_answers_with_an_empty_text() -> None:
    answer = await collect(_chunks({"delta": {}, "finish_reason": "stop"}))

    assert answer["choices"][0]["message"] == {"role": "assistant", "content": ""}
