"""Postgres: one request or job step is one transaction, and a transaction acts for one caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from kit.errors import Unavailable

_ACT_AS = text(
    "SELECT set_config('app.tenant', :tenant, true),"
    " set_config('app.principals', CAST(CAST(:entries AS text[]) AS text), true)"
)
_PRIVILEGED = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")

# SQLSTATE classes that mean "not now": connection, resources, operator intervention (shutdown, start-up).
_UNAVAILABLE_CLASSES = ("08", "53", "57")


class DatabaseUnavailable(Unavailable):
    code = "postgres_unavailable"


class PrivilegedRole(RuntimeError):
    """The configured role can bypass row-level security, so no right would be enforced."""


class Database:
    """A pool of connections to Postgres as a role that row-level security binds."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        pool_size_max: int = 10,
        connect_timeout_seconds: float = 5,
        statement_timeout_seconds: float = 30,
    ) -> None:
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size_max,
            max_overflow=0,
            pool_timeout=connect_timeout_seconds,
            pool_pre_ping=True,
            connect_args={
                "timeout": connect_timeout_seconds,
                "server_settings": {
                    "application_name": name,
                    "statement_timeout": str(int(statement_timeout_seconds * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "jit": "off",
                },
            },
        )
        self._role_checked = False

    @asynccontextmanager
    async def transaction(self, *, tenant: str, entries: Sequence[str]) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees what `entries` may read in `tenant`; commit at the end.

        Errors: DatabaseUnavailable (retryable); PrivilegedRole if the role could see everything.
        """
        try:
            async with self._engine.begin() as connection:
                await self._check_role(connection)
                await connection.execute(_ACT_AS, {"tenant": tenant, "entries": list(entries)})
                yield connection
        except (OSError, TimeoutError, PoolTimeoutError, DBAPIError) as error:
            if _is_outage(error):
                raise DatabaseUnavailable("The database does not answer. Try again shortly.") from error
            raise

    async def ping(self) -> None:
        """Return if the database answers. Errors: DatabaseUnavailable, PrivilegedRole."""
        async with self.transaction(tenant="", entries=[]) as connection:
            await connection.execute(text("SELECT 1"))

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def _check_role(self, connection: AsyncConnection) -> None:
        if self._role_checked:
            return
        if await connection.scalar(_PRIVILEGED):
            raise PrivilegedRole(
                "DATABASE_URL names a role that bypasses row-level security (a superuser or BYPASSRLS)."
                " Use the service's own role; `python -m migrations url ROLE` prints its URL."
            )
        self._role_checked = True


def _is_outage(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    if state:
        return state.startswith(_UNAVAILABLE_CLASSES)
    return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
