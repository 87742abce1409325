"""Puts a run together: settings, sources, the model, the database."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from ingest.adapters.console import LiveProgress, print_report
from ingest.adapters.sources.removed import RemovedSource
from ingest.core.access import allow_list
from ingest.core.chunking import Limits
from ingest.core.documents import BrokenAccessRules, SourceUnreadable
from ingest.core.ports import Progress, Source
from ingest.core.reconcile import Options, reconcile
from ingest.core.report import Report
from ingest.settings import Settings
from kit.contracts.documents import CollectionName
from kit.errors import AppError

if TYPE_CHECKING:
    from kit.db import Database  # imports SQLAlchemy: `--help` should not

DONE, DOWN, WRONG, SOME_FAILED, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: all went well; a dependency is down or refuses; the request or a source is wrong and nothing was
changed; some documents could not be read and the rest is done; stopped by Ctrl-C."""

# What both `slipway ingest` and `python -m ingest` take.
Sources = Annotated[
    list[str], typer.Argument(help="Folders and http(s) URLs: a page, a sitemap.xml, an index/.")
]
CollectionOption = Annotated[str, typer.Option(help="Where the documents go.")]
Tenant = Annotated[str, typer.Option(help="Whose documents they are.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="Who may read what access.toml does not rule: tenant, group:NAME, user:NAME. [tenant]"),
]
Remove = Annotated[bool, typer.Option("--remove", help="Take out everything that came from these sources.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


class WrongRequest(Exception):
    """The command cannot be carried out as it was given."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ingest (folders, http(s) URLs, or sources of the caller's own making), where to, and who may read
    what no rule matches. With `remove` the sources count as empty, whether they still exist or not."""

    sources: Sequence[str | Source]
    collection: str = "default"
    tenant: str = "acme"
    allow: Sequence[str] = ("tenant",)
    dry_run: bool = False
    remove: bool = False


def run(request: Request, environment: Mapping[str, str], *, as_json: bool = False) -> int:
    """Ingest as a command does: progress and messages on stderr, the report on stdout. Return an exit code."""
    messages = Console(stderr=True, highlight=False)
    try:
        with LiveProgress(messages) as progress:
            report = asyncio.run(ingest(request, progress, environment))
    except (WrongRequest, SourceUnreadable, BrokenAccessRules) as error:
        print(f"ingest: {error}", file=sys.stderr)  # noqa: T201 - the command's output
        return WRONG
    except AppError as error:
        print(f"ingest: {error}", file=sys.stderr)  # noqa: T201 - the command's output
        return DOWN
    except KeyboardInterrupt:
        print("ingest: Stopped. What was written is complete; run this again to go on.", file=sys.stderr)  # noqa: T201 - the command's output
        return STOPPED
    if as_json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))  # noqa: T201 - the command's output
    else:
        print_report(report, Console(highlight=False))
    return SOME_FAILED if report.failed else DONE


async def ingest(request: Request, progress: Progress, environment: Mapping[str, str]) -> Report:
    """Make the index equal to the sources. Settings are read from the variables in `environment`.

    Errors: WrongRequest, and those of `ingest.core.reconcile.reconcile`.
    """
    settings = _settings(environment)
    options = _options(request, settings)
    async with AsyncExitStack() as stack:
        sources: dict[str, Source] = {}
        for given in request.sources:
            source = _source(given, settings) if isinstance(given, str) else given
            stack.push_async_callback(source.aclose)
            sources[source.name] = RemovedSource(source.name) if request.remove else source
        return await _run(list(sources.values()), options, settings, progress)


async def _run(sources: Sequence[Source], options: Options, settings: Settings, progress: Progress) -> Report:
    from ingest.adapters.embedding import ModelEmbedder
    from ingest.adapters.postgres import PostgresStore
    from ingest.adapters.readers.processes import ReaderProcesses
    from kit.embeddings import EmbeddingClient

    async with AsyncExitStack() as stack:
        database = _database(settings)
        stack.push_async_callback(database.aclose)
        client = EmbeddingClient(
            base_url=settings.embedding_base_url,
            model=settings.embedding_model,
            api_key=settings.embedding_api_key.get_secret_value(),
            timeout_seconds=settings.embedding_timeout_seconds,
        )
        stack.push_async_callback(client.aclose)
        reader = ReaderProcesses(
            processes_max=min(settings.reads_at_once, os.cpu_count() or 1),
            seconds_max=settings.read_seconds_max,
            memory_bytes_max=settings.read_memory_bytes_max,
        )
        stack.push_async_callback(reader.aclose)
        return await reconcile(
            sources,
            store=PostgresStore(
                database,
                progress=progress,
                lock_timeout_seconds=settings.lock_timeout_seconds,
                index_timeout_seconds=settings.index_timeout_seconds,
            ),
            reader=reader,
            embedder=ModelEmbedder(
                client,
                progress=progress,
                batch_texts=settings.embedding_batch_texts,
                requests_at_once=settings.embedding_requests_at_once,
                retry_seconds_max=settings.embedding_retry_seconds_max,
            ),
            progress=progress,
            options=options,
        )


def _database(settings: Settings) -> Database:
    from sqlalchemy.exc import ArgumentError

    from kit.db import Database

    try:
        return Database(
            settings.database_url.get_secret_value(),
            name="ingest",
            pool_size_max=1,  # a run holds its collection on one connection
            statement_timeout_seconds=settings.statement_timeout_seconds,
        )
    except (ArgumentError, ValueError) as error:
        raise WrongRequest(
            "DATABASE_URL is no URL: write postgresql://role:password@host:port/db."
        ) from error


def _settings(environment: Mapping[str, str]) -> Settings:
    try:
        return Settings.read(environment)
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise WrongRequest(f"The settings are wrong: {problems}") from error


def _options(request: Request, settings: Settings) -> Options:
    try:
        collection = TypeAdapter(CollectionName).validate_python(request.collection)
        allow = allow_list(request.allow)
    except ValidationError as error:
        raise WrongRequest(
            f"{request.collection!r} is no name for a collection: use up to 63 of a-z, 0-9, '.', '_' and '-'."
        ) from error
    except ValueError as error:
        raise WrongRequest(f"--allow: {error}.") from error
    if not request.sources or not all(request.sources) or not request.tenant:
        raise WrongRequest("Name a source and a tenant.")
    return Options(
        tenant=request.tenant,
        collection=collection,
        allow=allow,
        dry_run=request.dry_run,
        limits=Limits(settings.chunk_tokens_max, settings.chunk_overlap_tokens),
        batch_chunks=settings.batch_chunks,
        reads_at_once=settings.reads_at_once,
    )


def _source(name: str, settings: Settings) -> Source:
    scheme, separator, _ = name.partition("://")
    if scheme in {"http", "https"} and separator:
        from ingest.adapters.sources.web import WebLimits, WebSource

        limits = WebLimits(
            document_bytes_max=settings.document_bytes_max,
            pages_max=settings.web_pages_max,
            timeout_seconds=settings.web_timeout_seconds,
        )
        try:
            return WebSource(name, limits=limits)
        except ValueError as error:
            raise WrongRequest(f"This is no URL: {error}.") from error
    if separator:
        raise WrongRequest(f"{name}: there is no source for {scheme}://; use a folder, http:// or https://.")
    from ingest.adapters.sources.folder import FolderSource

    return FolderSource(Path(name), document_bytes_max=settings.document_bytes_max)
