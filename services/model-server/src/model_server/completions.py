"""Puts streamed chunks together into the one object that a request without `stream` gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

Chunk = dict[str, Any]


async def collect(chunks: AsyncIterator[Chunk]) -> dict[str, Any]:
    """Return the `chat.completion` that the chunks of one choice amount to."""
    completion: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": None}
    async for chunk in chunks:
        completion |= {key: value for key, value in chunk.items() if key != "choices"}
        for part in chunk["choices"]:
            _add_delta(message, part["delta"])
            choice["finish_reason"] = part["finish_reason"] or choice["finish_reason"]
            if part.get("logprobs"):
                choice["logprobs"] = choice["logprobs"] or {"content": []}
                choice["logprobs"]["content"] += part["logprobs"]["content"]
    if message["content"] is None and not message.get("tool_calls"):
        message["content"] = ""  # the model said nothing, which is not the same as no text
    return completion | {"object": "chat.completion", "choices": [choice]}


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key in ("content", "reasoning_content"):
        if delta.get(key):
            message[key] = (message.get(key) or "") + delta[key]
    for part in delta.get("tool_calls", ()):
        _add_tool_call(message.setdefault("tool_calls", []), part)


def _add_tool_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    while len(calls) <= part["index"]:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[part["index"]], part.get("function", {})
    call["id"] = part.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""
