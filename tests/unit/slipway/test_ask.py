"""What `slipway ask` prints, and what it says when it cannot."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from slipway import ask
from slipway.config import Config
from slipway.errors import SlipwayError

QUOTE = "Full-time employees receive 25 days of paid vacation per calendar year."
ANSWER: dict[str, Any] = {
    "answer": f"“{QUOTE}” [1]",
    "citations": [
        {
            "document": {"path": "leave.md", "title": "Leave"},
            "heading": "",
            "quote": QUOTE,
            "start": 3,
            "end": 74,
        }
    ],
    "insufficient_evidence": False,
    "method": "extraction",
    "usage": {"total_tokens": 12},
    "timings_ms": {"search": 20.0, "total": 1500.0},
}
STREAM = (
    f"event: statement\ndata: {json.dumps({'text': ANSWER['answer'], 'citations': []})}\n\n"
    f"event: done\ndata: {json.dumps(ANSWER)}\n\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path, tmp_path, {})


def serve(monkeypatch: pytest.MonkeyPatch, response: httpx.Response | Exception) -> list[dict[str, Any]]:
    """Answer every request with `response`; return the bodies that were sent."""
    bodies: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if isinstance(response, Exception):
            raise response
        return response

    client = httpx.Client(transport=httpx.MockTransport(handle))
    monkeypatch.setattr(httpx, "stream", client.stream)
    return bodies


def stream(config: Config, user: str = "alice") -> Iterator[tuple[str, dict[str, Any]]]:
    return ask.stream_answer(config, "How long?", user=user, collection=None)


def test_an_answer_comes_as_statements_and_its_end(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = serve(monkeypatch, httpx.Response(200, text=STREAM))
    assert [name for name, _ in stream(config)] == ["statement", "done"]
    assert bodies == [{"question": "How long?", "collection": None, "stream": True}]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (httpx.ConnectError("refused"), "slipway up"),
        (httpx.ReadError("reset"), "slipway logs"),
        (httpx.Response(404, json={"detail": "There is no collection 'x'.", "status": 404}), "no collection"),
        (httpx.Response(503, json={"detail": "The database is down.", "status": 503}), "slipway status"),
        (httpx.Response(500, text="<html>"), "answered 500"),
        (httpx.Response(200, text=STREAM[: STREAM.index("event: done")]), "broke off"),
        (
            httpx.Response(200, text='event: error\ndata: {"detail": "The model is gone."}\n\n'),
            "model is gone",
        ),
    ],
)
def test_what_goes_wrong_is_said_with_the_way_out(
    config: Config, monkeypatch: pytest.MonkeyPatch, response: httpx.Response | Exception, message: str
) -> None:
    serve(monkeypatch, response)
    with pytest.raises(SlipwayError, match=message):
        list(stream(config))


def test_an_unknown_user_and_an_empty_question_are_refused_at_once(config: Config) -> None:
    with pytest.raises(SlipwayError, match="alice, bob, eve"):
        list(stream(config, "mallory"))
    with pytest.raises(SlipwayError, match="empty"):
        ask.ask("  ")


@pytest.mark.parametrize(("is_terminal", "width"), [(True, 30), (False, 30)])
def test_words_stay_whole_on_a_terminal_and_lines_stay_whole_in_a_file(
    *, is_terminal: bool, width: int
) -> None:
    file = io.StringIO()
    lines = ask._Lines(Console(file=file, force_terminal=is_terminal, width=width))
    for statement in (QUOTE, QUOTE):
        lines.write(statement)
    printed = file.getvalue()
    assert printed.split() == [*QUOTE.split(), *QUOTE.split()]
    assert (max(map(len, printed.split("\n"))) <= width) is is_terminal
    assert ("\n" in printed) is is_terminal


def test_the_sources_are_numbered_and_quoted() -> None:
    file = io.StringIO()
    ask._show_end(Console(file=file, width=40, highlight=False), ANSWER)
    printed = file.getvalue()
    assert "[1] Leave\n    leave.md, characters 3 to 74\n" in printed
    assert f"“{QUOTE}”" in printed
    assert "1.5 s (search 20 ms) · quoted, 12 tokens" in printed
