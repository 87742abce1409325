"""slipway ask"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from slipway import parts as table
from slipway.config import Config, load_config
from slipway.errors import SlipwayError
from slipway.identity import issue_token

CONNECT_SECONDS_MAX = 5
ANSWER_SECONDS_MAX = 300


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    user: Annotated[str, typer.Option("--as", help="Who asks: alice, bob or eve.")] = "alice",
    collection: Annotated[
        str | None, typer.Option(help="Ask this collection only; all that the user may read otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
) -> None:
    """Ask a question; the answer cites its sources.

    Exit code 0: there is an answer, if only that the documents hold none. 1: there is none.
    """
    if not question.strip():
        raise SlipwayError(
            'The question is empty. Ask one: slipway ask "How many days of paid vacation do I get?"'
        )
    config = load_config()
    events = stream_answer(config, question, user=user, collection=collection)
    if as_json:
        print(json.dumps(next(data for name, data in events if name == "done"), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    with console.status("reading …"):
        name, data = next(events)
    lines = _Lines(console)
    while name == "statement":
        lines.write(data["text"])
        name, data = next(events)
    _show_end(console, data)


class _Lines:
    """Prints text as it comes, broken between words where a terminal's line ends; a file's lines have no end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = console.width if console.is_terminal else None
        self._column = 0

    def write(self, text: str) -> None:
        for word in text.split():
            cells = cell_len(word)
            if self._column and self._width and self._column + 1 + cells > self._width:
                self._console.file.write("\n")
                self._column = 0
            self._console.file.write(f" {word}" if self._column else word)
            self._column += cells + (1 if self._column else 0)
        self._console.file.flush()


def stream_answer(
    config: Config, question: str, *, user: str, collection: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of an answer: any number of ("statement", …), then one ("done", …).

    Errors: SlipwayError if there is no such user, the service cannot be reached, or it refuses or fails.
    """
    url = f"{table.url(table.part('rag-api'), config)}/v1/answer"
    body = {"question": question, "collection": collection, "stream": True}
    headers = {"authorization": f"Bearer {issue_token(config, user)}"}
    timeout = httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    try:
        with httpx.stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield from _events(response.iter_lines())
    except httpx.ConnectError as error:
        raise SlipwayError(f"Nothing answers at {url}. Start Slipway with `slipway up`.") from error
    except httpx.HTTPError as error:
        raise SlipwayError(
            f"The answer broke off ({error!r}). `slipway status` shows what runs, `slipway logs` what happened."
        ) from error


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = json.loads(value)
            if name == "error":
                raise _failure(data)
            yield name, data
            if name == "done":
                return
    raise SlipwayError("The answer broke off before its end. `slipway logs` shows what happened.")


def _refusal(response: httpx.Response) -> SlipwayError:
    try:
        return _failure(response.json())
    except ValueError:
        return SlipwayError(f"{response.url} answered {response.status_code}: {response.text[:200]}")


def _failure(problem: dict[str, Any]) -> SlipwayError:
    hint = " `slipway status` shows what runs." if problem.get("status") == 503 else ""
    return SlipwayError(f"{problem.get('detail', problem)}{hint}")


def _show_end(console: Console, answer: dict[str, Any]) -> None:
    if answer["insufficient_evidence"]:
        console.print(Text(answer["answer"], style="yellow"), end="", soft_wrap=not console.is_terminal)
    console.print()
    for number, citation in enumerate(answer["citations"], 1):
        place = f"{citation['document']['path']}, characters {citation['start']} to {citation['end']}"
        title = citation["heading"] or citation["document"]["title"]
        console.print(Text.assemble((f"\n[{number}] ", "bold cyan"), (title, "bold")), soft_wrap=True)
        console.print(Text(f"    {place}", style="dim"), soft_wrap=True)
        quote = Text("“" + " ".join(citation["quote"].split()) + "”")
        if console.is_terminal:
            console.print(Padding(quote, (0, 0, 0, 4)))
        else:
            console.print(Text("    ") + quote, soft_wrap=True)
    console.print(
        Text(f"\n{_timings(answer['timings_ms'])} · {_tokens(answer)}", style="dim"), soft_wrap=True
    )


def _timings(timings_ms: dict[str, float]) -> str:
    stages = [f"{stage} {ms:.0f}" for stage, ms in timings_ms.items() if stage != "total"]
    return f"{timings_ms['total'] / 1000:.1f} s ({', '.join(stages)} ms)"


def _tokens(answer: dict[str, Any]) -> str:
    used = answer["usage"]["total_tokens"]
    how = {"synthesis": "written by the model", "extraction": "quoted", "none": "no answer"}[answer["method"]]
    return f"{how}, {used} tokens"
