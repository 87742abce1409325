"""slipway up, slipway down"""

from __future__ import annotations

from typing import Annotated

import typer

from slipway import lifecycle
from slipway.config import load_config


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; it runs on.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART", help="Start only these parts and what they need: --only postgres,valkey"
        ),
    ] = None,
) -> None:
    """Start Slipway: Postgres, Valkey, the models and the services. Running it twice is safe."""
    names = [name for text in only or [] for name in text.split(",") if name]
    (lifecycle.start_detached if detach else lifecycle.run)(load_config(), names)


def down() -> None:
    """Stop every process that `slipway up` started here, and only those."""
    lifecycle.stop(load_config())
