"""Does it answer? One question per kind of URL."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import unquote, urlsplit, urlunsplit

CHECK_SECONDS_MAX = 3.0


class NotReady(Exception):
    """It does not answer as it should. The message says how."""


async def check(url: str) -> None:
    """Ask what lies at `url`: Postgres a query, Valkey a PING, an HTTP server for any answer but a failure.

    Errors: NotReady.
    """
    scheme = urlsplit(url).scheme.partition("+")[0]
    match scheme:
        case "postgresql" | "postgres":
            await _postgres(url)
        case "redis" | "rediss":
            await _valkey(url)
        case "http" | "https":
            await _http(url)
        case _:
            raise NotReady(f"{scheme!r} is not a kind of URL that is known here")


def without_password(url: str) -> str:
    """Return the URL with nothing secret in it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit((parts.scheme, f"{name}{at}{host}" if name else host, parts.path, "", ""))


async def _postgres(url: str) -> None:
    import asyncpg

    scheme, _, rest = url.partition("://")
    dsn = f"{scheme.partition('+')[0]}://{rest}"
    try:
        connection = await asyncpg.connect(dsn, timeout=CHECK_SECONDS_MAX)
        try:
            await connection.fetchval("SELECT 1", timeout=CHECK_SECONDS_MAX)
        finally:
            await connection.close(timeout=CHECK_SECONDS_MAX)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReady(_reason(error)) from error


async def _valkey(url: str) -> None:
    """Speak the few bytes that this takes: to import the client takes longer than Valkey takes to start."""
    address = urlsplit(url)
    commands = [["PING"]]
    if address.password:
        user = [unquote(address.username)] if address.username else []
        commands.insert(0, ["AUTH", *user, unquote(address.password)])
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            tls = address.scheme == "rediss" or None
            reader, writer = await asyncio.open_connection(address.hostname, address.port or 6379, ssl=tls)
            with contextlib.closing(writer):
                for command in commands:
                    words = [word.encode() for word in command]
                    writer.write(
                        b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)
                    )
                    reply = (await reader.readline()).decode(errors="replace").strip()
                    if not reply.startswith("+"):
                        raise NotReady(reply.lstrip("-") or "it closed the connection")
    except (OSError, TimeoutError, ValueError) as error:
        raise NotReady(_reason(error)) from error


async def _http(url: str) -> None:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=CHECK_SECONDS_MAX) as client:
            response = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReady(_reason(error)) from error
    if response.status_code >= 500:
        raise NotReady(f"it answers {response.status_code}: {response.text[:300].strip()}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
