"""The `slipway` command. A command's module is imported only when that command runs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from slipway.errors import SlipwayError

COMMANDS = {
    "demo": (
        "slipway.demo:demo",
        "Start everything, ingest the example handbook and answer a question from it.",
    ),
    "up": ("slipway.up:up", "Start Slipway: Postgres, Valkey, the models and the services."),
    "down": ("slipway.up:down", "Stop every process that `slipway up` started here, and only those."),
    "status": ("slipway.status:status", "Show what runs, where, and whether it answers."),
    "logs": ("slipway.logs:logs", "Show the end of the parts' logs."),
    "doctor": ("slipway.doctor:doctor", "Check what this machine lacks, and say how to get it."),
    "token": ("slipway.token:token", "Print a token for a development user: alice, bob or eve."),
    "ingest": ("slipway.ingest:ingest", "Make the index equal to its sources."),
    "ask": ("slipway.ask:ask", "Ask a question; the answer cites its sources."),
    "model": ("slipway.model:app", "List, choose and test the chat model."),
    "eval": ("slipway.evaluate:app", "Measure the quality of retrieval."),
}
"""Name → where it is (a function, or a Typer app for a group) and what the list of commands says about it."""


class LazyGroup(TyperGroup):
    """Knows its commands' names; imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what the list of commands shows."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command itself, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else command, rest


def load(name: str) -> Any:
    """Import a command."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return typer.main.get_group(target)
    single = typer.Typer(add_completion=False)
    single.command(name)(target)
    return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def slipway() -> None:
    """Slipway: models, retrieval and agents, on a laptop and on a cluster."""


def main() -> None:
    """Run the command; an error that a user can mend becomes a message and an exit code."""
    try:
        app()
    except SlipwayError as error:
        print(f"slipway: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:  # whoever read the output, `head` perhaps, has seen enough
        sys.stdout = None
        raise SystemExit(1) from None
    except OSError as error:  # a folder that cannot be written, a full disk
        print(f"slipway: {error}. `slipway doctor` says what to do.", file=sys.stderr)
        raise SystemExit(1) from None
