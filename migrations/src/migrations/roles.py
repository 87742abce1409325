"""One login role for each deployable. None of them owns a table or bypasses row-level security."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

ROLES = ("slipway_ingest", "slipway_rag_api")

_ATTEMPTS = 10


class NoRoleSecret(Exception):
    """Neither the owner's URL has a password nor DATABASE_ROLE_SECRET is set."""


def role_url(admin_url: str, role: str) -> str:
    """Return the URL with which `role` connects to the database that `admin_url` names.

    Errors: NoRoleSecret; ValueError for an unknown role.
    """
    if role not in ROLES:
        raise ValueError(f"There is no role {role!r}; the roles are {', '.join(ROLES)}.")
    url = make_url(admin_url)
    return url.set(username=role, password=_password(url, role)).render_as_string(hide_password=False)


async def ensure_roles(connection: AsyncConnection, admin_url: str) -> None:
    """Create the roles that are missing and give each its password. Each statement is its own transaction."""
    for role in ROLES:
        password = _password(make_url(admin_url), role)
        exists = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
        verb = "ALTER" if exists else "CREATE"
        # Both are names and hex digits of our own making: utility statements take no parameters.
        await _retry(connection, f"{verb} ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{password}'")


async def _retry(connection: AsyncConnection, statement: str) -> None:
    """Roles belong to the whole server: two databases that migrate at once touch the same row."""
    for attempt in range(_ATTEMPTS):
        try:
            await connection.execute(text(statement))
        except DBAPIError as error:
            if "already exists" in str(error.orig):
                return
            if "concurrently updated" not in str(error.orig) or attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))
        else:
            return


def _password(admin: URL, role: str) -> str:
    """Derive the role's password from the owner's, so that nothing new has to be kept or passed around."""
    secret = os.environ.get("DATABASE_ROLE_SECRET") or admin.password
    if not secret:
        raise NoRoleSecret(
            "The passwords of the service roles are derived from the password in DATABASE_URL, and it has none."
            " Set DATABASE_ROLE_SECRET to a long random value."
        )
    return hmac.new(str(secret).encode(), f"slipway role {role}".encode(), hashlib.sha256).hexdigest()


__all__ = ["ROLES", "NoRoleSecret", "ensure_roles", "role_url"]
