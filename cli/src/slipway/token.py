"""slipway token"""

from __future__ import annotations

from typing import Annotated

import typer

from slipway.config import load_config
from slipway.identity import issue_token


def token(
    user: Annotated[str, typer.Argument(help="alice, bob or eve")],
    ttl_minutes: Annotated[float, typer.Option(min=0, help="How long the token holds.")] = 60,
) -> None:
    """Print a token for a development user."""
    print(issue_token(load_config(), user, ttl_minutes))
