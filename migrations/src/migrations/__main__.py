"""python -m migrations upgrade | url ROLE"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.roles import ROLES, NoRoleSecret, ensure_roles, role_url

LOCK = 0x51197A7


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="bring the database at DATABASE_URL up to date")
    commands.add_parser("url", help="print a service's URL").add_argument("role", choices=ROLES)
    arguments = parser.parse_args()
    admin_url = os.environ.get("DATABASE_URL")
    if not admin_url:
        return _fail("DATABASE_URL is not set. It names the database with its owner's role and password.")
    try:
        if arguments.command == "url":
            print(role_url(admin_url, arguments.role))  # noqa: T201 - the command's output
        else:
            asyncio.run(upgrade(admin_url))
    except (NoRoleSecret, OSError, DBAPIError) as error:
        return _fail(f"{make_url(admin_url).render_as_string()}: {getattr(error, 'orig', error)}")
    return 0


async def upgrade(admin_url: str) -> None:
    """Make the database's roles and tables those of this version. Two at once are one after the other."""
    engine = create_async_engine(make_url(admin_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as lock, engine.connect() as connection:
            await lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await ensure_roles(autocommit, admin_url)
            async with engine.connect() as migrating:
                await migrating.run_sync(_run_alembic)
                await migrating.commit()
    finally:
        await engine.dispose()


def _run_alembic(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _fail(message: str) -> int:
    print(f"migrations: {message}", file=sys.stderr)  # noqa: T201 - the command's output
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
