"""The variables that a child process gets."""

from __future__ import annotations

from slipway import identity
from slipway.config import Config
from slipway.parts import CHAT_MODEL, EMBEDDING_MODEL, PARTS, Part, port, url

CONNECTIONS = frozenset(entry.provides for entry in PARTS if entry.provides) | {*CHAT_MODEL, *EMBEDDING_MODEL}
"""Where the parts are, and the keys to them: a process gets only those that it uses."""


def environment(config: Config, uses: tuple[str, ...] = (), role: str = "") -> dict[str, str]:
    """Return the variables for a process that uses these connections, with DATABASE_URL for this role.

    All that is not a connection is passed on as it is.
    """
    variables = {name: value for name, value in config.variables.items() if name not in CONNECTIONS}
    variables |= {name: value for name in uses if (value := connection(config, name, role))}
    variables.setdefault("AUTH_ISSUER", identity.ISSUER)
    variables.setdefault("AUTH_AUDIENCE", identity.AUDIENCE)
    if not variables.get("AUTH_JWKS_URL"):
        variables["AUTH_JWKS_URL"] = identity.key_set(config.home).as_uri()
    variables["PYTHONUNBUFFERED"] = "1"
    return variables


def part_environment(config: Config, part: Part) -> dict[str, str]:
    """Return the variables for a part."""
    variables = environment(config, part.uses, part.role)
    if part.port_variable:
        variables[part.port_variable] = str(port(part, config))
    return variables


def connection(config: Config, name: str, role: str = "") -> str:
    """Return the value of one connection variable, empty if there is none."""
    provider = next((part for part in PARTS if part.provides == name), None)
    value = url(provider, config) if provider else config.get(name)
    if name == "DATABASE_URL" and role:
        from migrations import role_url

        return role_url(value, role)
    return value
