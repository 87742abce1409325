"""slipway model list, slipway model use, slipway model test"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from slipway.config import Config, load_config
from slipway.errors import SlipwayError
from slipway.models import inventory
from slipway.models.checks import Finding, run_checks, usable
from slipway.models.choice import Choice, read_choice, write_choice, write_private
from slipway.models.obtain import Options, obtain, served
from slipway.state import read_state

app = typer.Typer(no_args_is_help=True, help="List, choose and test the chat model.")

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="bundled, FILE.gguf, https://…/FILE.gguf, hf:ORG/REPO/FILE.gguf, ORG/REPO:Q4_K_M or ollama:NAME",
    ),
]
BaseUrl = Annotated[
    str, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint, in place of MODEL.")
]
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="The model's name at --base-url.")]
KeyVariable = Annotated[
    str,
    typer.Option(metavar="VARIABLE", help="The variable that holds the key. The key itself is not stored."),
]
AskKey = Annotated[
    bool, typer.Option("--ask-api-key", help="Ask for the key and keep it in a file that only you can read.")
]
Sha256 = Annotated[str, typer.Option(help="What the downloaded file's SHA-256 must be.")]
MaxGb = Annotated[float, typer.Option(min=0, help="Download nothing larger than this.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

console = Console()
notes = Console(stderr=True)


@app.command("list")
def list_models(*, as_json: AsJson = False) -> None:
    """Show the models that are here: the bundled one, downloaded files, and a running Ollama's."""
    config = load_config()
    models = inventory.models(config)
    if as_json:
        print(json.dumps([asdict(model) for model in models], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "MODEL", "SIZE", "CONTEXT", "USE IT WITH"):
        table.add_column(heading, overflow="fold")
    for model in models:
        size = f"{model.bytes / 1e9:.2f} GB" if model.bytes else ""
        context = f"{model.context_tokens} tokens" if model.context_tokens else ""
        table.add_row(
            "●" if model.chosen else "", model.name, size, context, f"slipway model use {model.use}"
        )
    console.print(table)
    _warn_of_override()


@app.command()
def use(
    name: Name = None,
    *,
    base_url: BaseUrl = "",
    model: ModelName = "",
    api_key_env: KeyVariable = "",
    ask_api_key: AskKey = False,
    sha256: Sha256 = "",
    max_gb: MaxGb = 40,
) -> None:
    """Choose the chat model. It is fetched and tried first; one that does not answer is not chosen."""
    config = load_config()
    options = Options(name or "", base_url, model, api_key_env, ask_api_key, sha256, int(max_gb * 1e9))
    choice, key = obtain(config, options)
    findings = _check(config, choice, key)
    _print(choice, findings)
    if not usable(findings):
        raise SlipwayError(f"{choice.model} cannot be used: the table says why. The choice stays as it was.")
    if choice.api_key_file:
        write_private(config.home / choice.api_key_file, key)
    write_choice(config.home, choice)
    state = read_state(config.home)
    running = state is not None and state.supervisor.is_alive()
    console.print(
        f"{choice.model} is chosen. {'Restart' if running else 'Start'} Slipway to use it: "
        f"{'slipway down && ' if running else ''}slipway up"
    )
    _warn_of_override()


@app.command("test")
def try_model(
    name: Name = None,
    *,
    base_url: BaseUrl = "",
    model: ModelName = "",
    api_key_env: KeyVariable = "",
    ask_api_key: AskKey = False,
    sha256: Sha256 = "",
    max_gb: MaxGb = 40,
    as_json: AsJson = False,
) -> None:
    """Show what a model can do: the chosen one, or any that `use` would take. The choice stays as it is."""
    config = load_config()
    options = Options(name or "", base_url, model, api_key_env, ask_api_key, sha256, int(max_gb * 1e9))
    choice, key = (
        obtain(config, options)
        if options.names_a_model
        else inventory.with_key(config, read_choice(config.home))
    )
    findings = _check(config, choice, key)
    if as_json:
        print(
            json.dumps({"model": choice.model, "checks": [asdict(finding) for finding in findings]}, indent=2)
        )
    else:
        _print(choice, findings)
    if not usable(findings):
        raise typer.Exit(1)


def _check(config: Config, choice: Choice, key: str) -> list[Finding]:
    with notes.status(f"trying {choice.model}"), served(config, choice, key) as endpoint:
        return run_checks(endpoint)


def _print(choice: Choice, findings: list[Finding]) -> None:
    table = Table(title=choice.model, title_justify="left", box=None, pad_edge=False)
    for heading in ("", "CHECK", "SECONDS", "WHAT IT DID"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark = "[green]✓[/]" if finding.passed else "[bold red]✗[/]" if finding.required else "[yellow]✗[/]"
        table.add_row(mark, finding.check, f"{finding.seconds:.1f}", _plain(finding.detail))
    console.print(table)


def _plain(text: str) -> str:
    """Return text in which nothing is markup: it is a model's, and a model may write [red]."""
    return text.replace("[", "\\[")


def _warn_of_override() -> None:
    """Tell that a variable goes before the choice, if one does."""
    config = load_config()  # read again: the choice may be a new one
    url = config.get("MODEL_BASE_URL")
    if url != read_choice(config.home).base_url:
        print(f"MODEL_BASE_URL is set to {url} and goes before the choice.", file=sys.stderr)
