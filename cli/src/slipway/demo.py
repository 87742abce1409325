"""slipway demo"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from slipway import lifecycle
from slipway import parts as table
from slipway.config import Config, load_config
from slipway.errors import SlipwayError

HANDBOOK = "examples/handbook"
QUESTION = "How many days of paid vacation do I get?"

NEXT = """
[bold]Try next[/]
  slipway ask "What is the salary band of a senior engineer?" --as bob     finance may read the table of bands
  slipway ask "What is the salary band of a senior engineer?" --as alice   engineering may not: nothing leaks
  slipway ingest ~/Documents --collection mine                             your own documents
  slipway model use …                                                      a better model (slipway model --help)
  curl -H "Authorization: Bearer $(slipway token alice)" {rag_api}/v1/documents
  slipway status · slipway logs -f · slipway down
""".strip("\n")


def demo() -> None:
    """Start everything, ingest the example handbook and answer a question from it. It leaves Slipway running."""
    config = load_config()
    console = Console(highlight=False)
    seconds: dict[str, float] = {}
    with _stage(console, seconds, "start", "slipway up --detach"):
        lifecycle.start_detached(config, [])
    with _stage(console, seconds, "ingest", f"slipway ingest {HANDBOOK}"):
        _run("ingest", str(config.root / HANDBOOK))
    with _stage(console, seconds, "ask", f'slipway ask "{QUESTION}" --as alice'):
        _run("ask", QUESTION, "--as", "alice")
    parts = " · ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())
    console.print(f"\n[bold]{sum(seconds.values()):.1f} s[/] in all: {parts}\n")
    console.print(NEXT.format(rag_api=_rag_api(config)), soft_wrap=True)


@contextlib.contextmanager
def _stage(console: Console, seconds: dict[str, float], name: str, command: str) -> Iterator[None]:
    """Show the command that a stage stands for, and keep how long it took."""
    console.print(f"\n[bold cyan]$ {escape(command)}[/]", soft_wrap=True)
    began = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began


def _run(name: str, *arguments: str) -> None:
    """Run another command in this process. Errors: SlipwayError if it does not end well."""
    from slipway.main import load

    code = load(name).main(args=list(arguments), prog_name=f"slipway {name}", standalone_mode=False)
    if code:
        raise SlipwayError(
            f"`slipway {name}` ended with exit code {code}. Slipway still runs; `slipway down` stops it."
        )


def _rag_api(config: Config) -> str:
    return table.url(table.part("rag-api"), config)
