"""Asks a chat model for what Slipway needs of one, and reports what it can."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

TIMEOUT_SECONDS = 120
"""A large model on a CPU is slow to its first token."""
ANSWER_TOKENS_MAX = 256
"""Enough for a model that thinks before it answers to say something."""
DETAIL_CHARACTERS_MAX = 200

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "is_capital": {"type": "boolean"}},
    "required": ["city", "is_capital"],
    "additionalProperties": False,
}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather in a city now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask a model."""

    base_url: str
    model: str
    api_key: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    passed: bool
    required: bool
    """Without it Slipway cannot use the model."""
    detail: str
    seconds: float


class Failed(Exception):
    """The model does not do what was asked; the message says what it did instead."""


def run_checks(endpoint: Endpoint) -> list[Finding]:
    """Ask the model once for each thing, in order; nothing more is asked after a required one has failed."""
    headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    base_url = endpoint.base_url.rstrip("/")
    findings = []
    with httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
        for name, required, check in CHECKS:
            finding = _run(name, required, partial(check, client, endpoint.model), secret=endpoint.api_key)
            findings.append(finding)
            if required and not finding.passed:
                break
    return findings


def usable(findings: list[Finding]) -> bool:
    """Tell whether Slipway can use the model."""
    return all(finding.passed for finding in findings if finding.required)


def _run(name: str, required: bool, check: Callable[[], str], *, secret: str) -> Finding:
    started = time.perf_counter()
    try:
        passed, detail = True, check()
    except Failed as error:
        passed, detail = False, str(error)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        passed, detail = False, f"it does not answer: {str(error) or type(error).__name__}"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        passed, detail = False, f"its answer has not OpenAI's form: {error!r}"
    if secret:
        detail = detail.replace(secret, "(the key)")  # some providers repeat it when they refuse it
    return Finding(name, passed, required, _short(detail), time.perf_counter() - started)


def _answers(client: httpx.Client, model: str) -> str:
    message = _message(_ask(client, model, "What is the capital of France? Answer in one short sentence."))
    text = message.get("content") or ""
    if not text.strip():
        raise Failed("it answered with nothing")
    return text


def _streams(client: httpx.Client, model: str) -> str:
    body = _body(model, "Count from one to five in words.")
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    pieces, usage, ended = 0, None, False
    with client.stream("POST", "/chat/completions", json=body) as response:
        if response.is_error:
            response.read()
        _refuse(response)
        for line in response.iter_lines():
            data = line.removeprefix("data:").strip()
            if not line.startswith("data:"):
                continue
            if data == "[DONE]":
                ended = True
                break
            event = json.loads(data)
            if "error" in event:
                raise Failed(f"the stream broke off: {event['error']}")
            usage = event.get("usage") or usage
            pieces += sum(bool(choice["delta"].get("content")) for choice in event["choices"])
    if not ended or pieces < 2:
        raise Failed(f"{pieces} pieces of text" + ("" if ended else ", and no end of the stream"))
    return f"{pieces} pieces" + (", with usage" if usage else ", without usage")


def _follows_schema(client: httpx.Client, model: str) -> str:
    schema = {"name": "place", "schema": SCHEMA, "strict": True}
    answer = _ask(
        client,
        model,
        "Describe Paris as JSON with its name in `city` and whether it is a capital in `is_capital`.",
        response_format={"type": "json_schema", "json_schema": schema},
    )
    text = _message(answer).get("content") or ""
    try:
        place = json.loads(text)
    except ValueError:
        raise Failed(f"not JSON: {text}") from None
    fits = (
        isinstance(place, dict)
        and set(place) == set(SCHEMA["required"])
        and isinstance(place["city"], str)
        and isinstance(place["is_capital"], bool)
    )
    if not fits:
        raise Failed(f"JSON, but not of the schema: {text}")
    return text


def _calls_tools(client: httpx.Client, model: str) -> str:
    question = "What is the weather in Paris now? Use the tool."
    calls = _message(_ask(client, model, question, tools=[TOOL])).get("tool_calls") or []
    if not calls:
        raise Failed("it called none")
    function = calls[0]["function"]
    arguments = json.loads(function["arguments"])
    if function["name"] != "get_weather" or not isinstance(arguments.get("city"), str):
        raise Failed(f"a wrong call: {function['name']}({function['arguments']})")
    return f"{function['name']}({function['arguments']})"


CHECKS: tuple[tuple[str, bool, Callable[[httpx.Client, str], str]], ...] = (
    ("answers", True, _answers),
    ("streams", True, _streams),
    ("follows a JSON schema", False, _follows_schema),
    ("calls tools", False, _calls_tools),
)


def _body(model: str, question: str) -> dict[str, Any]:
    # No temperature: some providers refuse any but their own for models that reason.
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": question},
        ],
        "max_tokens": ANSWER_TOKENS_MAX,
    }


def _ask(client: httpx.Client, model: str, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/chat/completions", json=_body(model, question) | more)
    _refuse(response)
    answer: dict[str, Any] = response.json()
    return answer


def _refuse(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text
    raise Failed(f"{response.status_code}: {message}")


def _message(answer: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= DETAIL_CHARACTERS_MAX else f"{text[: DETAIL_CHARACTERS_MAX - 1]}…"
