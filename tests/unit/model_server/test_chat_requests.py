"""What a chat request may say, and what of it reaches the engine."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model_server.chat_requests import ChatRequest

HELLO = [{"role": "user", "content": "Hello"}]


def _request(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": HELLO} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": "Hello"},
        {"messages": [{"role": "wizard", "content": "Hello"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
        {"n": 2},
        {"temperature": "hot"},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 1.5},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"stop": [1]},
        {"stream": "yes"},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema"}},
        {"tools": [{"type": "function", "function": {}}]},
        {"tool_choice": {"type": "function", "function": {"name": "not_there"}}},
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _request(**fields)


def test_only_what_was_said_reaches_the_engine() -> None:
    body = _request(temperature=0, stop="\n", user="someone", stream=True, n=1).engine_body()

    assert body == {"messages": HELLO, "temperature": 0, "stop": "\n"}


def test_the_newer_name_of_the_token_limit_goes_first() -> None:
    assert _request(max_tokens=5, max_completion_tokens=7).engine_body()["max_tokens"] == 7
    assert _request(max_tokens=2**62).engine_body()["max_tokens"] == 2**31 - 1


@pytest.mark.parametrize(("role", "added"), [("user", True), ("system", False), ("developer", False)])
def test_a_system_message_leads_only_where_there_is_none(role: str, added: bool) -> None:
    request = _request(messages=[{"role": role, "content": "Be brief."}, *HELLO])

    messages = request.engine_body(system_message="You help.")["messages"]

    assert (messages[0] == {"role": "system", "content": "You help."}) == added
    assert len(messages) == 2 + added


def test_a_schema_keeps_its_name_on_the_wire() -> None:
    response_format = {"type": "json_schema", "json_schema": {"name": "place", "schema": {"type": "object"}}}

    assert _request(response_format=response_format).engine_body()["response_format"] == response_format


def test_tools_are_used_if_offered_or_called_before() -> None:
    tool = {"type": "function", "function": {"name": "get"}}
    result = {"role": "tool", "tool_call_id": "1", "content": "sunny"}

    assert _request(tools=[tool]).uses_tools
    assert _request(messages=[*HELLO, result]).uses_tools
    assert not _request(tools=[tool], tool_choice="none").uses_tools
    assert not _request(tools=[]).uses_tools


def test_a_named_function_is_the_only_one_and_must_be_called() -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get", "put")]
    choice = {"type": "function", "function": {"name": "put"}}

    body = _request(tools=tools, tool_choice=choice).engine_body()

    assert (body["tools"], body["tool_choice"]) == (tools[1:], "required")
