"""slipway eval retrieval"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest import main as ingest_main
from ingest.core.report import Report
from kit.db import Database
from kit.embeddings import EmbeddingClient
from kit.errors import AppError
from kit.principal import Principal
from kit.settings import EmbeddingSettings
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.core.ports import ChunkIndex, Embedder
from rag_api.core.search import SearchParameters, SearchResult, search
from slipway import lifecycle
from slipway.beir import CorpusSource, Dataset, load
from slipway.config import Config, load_config
from slipway.environment import environment
from slipway.errors import SlipwayError
from slipway.ingest import USES
from slipway.retrieval_metrics import ndcg, recall

TENANT = "eval"
PARTS = ["migrations", "embeddings"]
"""What is started if nothing runs."""
DEPTH = 100
"""Documents of each ranking that are looked at."""
TIMED_HITS = 10
SYSTEMS = {
    "dense": SearchParameters(dense_weight=1.0),
    "lexical": SearchParameters(dense_weight=0.0),
    "fused": SearchParameters(),
}

app = typer.Typer(no_args_is_help=True, help="Measure the quality of retrieval.")


@app.callback()
def group() -> None:
    """Measure the quality of retrieval."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the queries. The times are those of one search for ten hits, in the order of a user's request:
    the query's embedding included, HTTP not."""

    ndcg_at_10: float
    recall_at_100: float
    p50_ms: float
    p95_ms: float


@app.command("retrieval")
def retrieval(
    *,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="A test collection: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."),
    ],
    split: Annotated[str, typer.Option(help="Whose queries: the name of a file in DIR/qrels.")] = "test",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the index: the next run embeds nothing again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Ingest a test collection in BEIR's layout, search for each of its queries, and say how good the hits are.

    The documents go into a collection of the tenant `eval`, which is deleted at the end. What is needed and does not
    run is started, and stopped again. A run that was interrupted is continued by the next.

    Exit code 0: measured. 1: something that it needs is down. 2: the folder is not as it should be.
    """
    dataset = load(data, split)
    config = load_config()
    try:
        with _running(config):
            report, figures = asyncio.run(_evaluate(config, dataset, keep=keep))
    except ingest_main.WrongRequest as error:
        raise SlipwayError(str(error)) from error
    except AppError as error:
        raise SlipwayError(f"{error} `slipway status` shows what runs.") from error
    if as_json:
        print(json.dumps(_as_json(dataset, report, figures), indent=2))
    else:
        _print(dataset, report, figures)


@contextlib.contextmanager
def _running(config: Config) -> Iterator[None]:
    """Have what is needed up and ready. Messages go to stderr: stdout is for the figures."""
    with contextlib.redirect_stdout(sys.stderr):
        was_running = lifecycle.find_running(config)
        lifecycle.start_detached(config, PARTS)
    try:
        yield
    finally:
        if not was_running:
            with contextlib.redirect_stdout(sys.stderr):
                lifecycle.stop(config)


async def _evaluate(config: Config, dataset: Dataset, *, keep: bool) -> tuple[Report, dict[str, Figures]]:
    """Ingest, measure, and clean up by ingesting the corpus once more with no document in it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars = Bars(progress)
        report = await _ingest(config, dataset, bars)
        figures = await _measure(config, dataset, bars)
        if not keep:
            await _ingest(config, replace(dataset, documents={}), bars)
    return report, figures


async def _ingest(config: Config, dataset: Dataset, bars: Bars) -> Report:
    request = ingest_main.Request(
        [CorpusSource(dataset.folder, dataset.documents)], collection=_collection(dataset), tenant=TENANT
    )
    report = await ingest_main.ingest(request, bars, environment(config, USES, role="slipway_ingest"))
    if report.failed:
        first = report.failed[0]
        raise SlipwayError(
            f"{len(report.failed)} documents could not be ingested; the first is {first.path}: {first.reason}."
        )
    return report


async def _measure(config: Config, dataset: Dataset, bars: Bars) -> dict[str, Figures]:
    variables = environment(config, USES, role="slipway_rag_api")
    async with contextlib.AsyncExitStack() as stack:
        database = Database(variables["DATABASE_URL"], name="eval", pool_size_max=1)
        stack.push_async_callback(database.aclose)
        settings = EmbeddingSettings.model_validate(
            {name: variables[name] for name in USES if name in variables}
        )
        embedder = EmbeddingClient(
            base_url=settings.embedding_base_url,
            model=settings.embedding_model,
            api_key=settings.embedding_api_key.get_secret_value(),
        )
        stack.push_async_callback(embedder.aclose)
        searcher = Searcher(PostgresChunkIndex(database), embedder, _collection(dataset))
        return {name: await searcher.measure(name, dataset, bars) for name in SYSTEMS}


@dataclass(frozen=True, slots=True)
class Searcher:
    """Searches one collection as rag-api does."""

    index: ChunkIndex
    embedder: Embedder
    collection: str

    async def measure(self, system: str, dataset: Dataset, bars: Bars) -> Figures:
        """Search for every query with one of SYSTEMS."""
        milliseconds: list[float] = []
        gains: list[float] = []
        recalls: list[float] = []
        parameters = SYSTEMS[system]
        await self._search(next(iter(dataset.queries.values())), TIMED_HITS, parameters)  # connects, plans
        for number, (query_id, query) in enumerate(dataset.queries.items(), start=1):
            begin = time.perf_counter()
            await self._search(query, TIMED_HITS, parameters)
            milliseconds.append((time.perf_counter() - begin) * 1000)
            # As BEIR does: a query that is itself a document of the corpus must not find itself.
            ranking = [
                found for found in await self.ranking(query, DEPTH + 1, parameters) if found != query_id
            ]
            gains.append(ndcg(ranking, dataset.relevant[query_id], 10))
            recalls.append(recall(ranking, dataset.relevant[query_id], DEPTH))
            bars.show(f"queries, {system}", number, len(dataset.queries))
        p95 = quantiles([*milliseconds, *milliseconds], n=20)[18]
        return Figures(fmean(gains), fmean(recalls), median(milliseconds), p95)

    async def ranking(self, query: str, documents: int, parameters: SearchParameters) -> list[str]:
        """Return up to `documents` ids, best first: a document is as good as its best chunk."""
        limit = 2 * documents
        while True:
            chunks = (await self._search(query, limit, parameters)).chunks
            found = list(dict.fromkeys(chunk.hit.document.path for chunk in chunks))
            if len(found) >= documents or len(chunks) < limit:
                return found[:documents]
            limit *= 2

    async def _search(self, query: str, limit: int, parameters: SearchParameters) -> SearchResult:
        return await search(
            self.index,
            self.embedder,
            Principal(TENANT, TENANT),
            query=query,
            collection=self.collection,
            limit=limit,
            parameters=parameters,
        )


class Bars:
    """Implements ingest.core.ports.Progress: a bar with the time left for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)

    def note(self, message: str) -> None:
        self._progress.console.print(message, markup=False)


def _collection(dataset: Dataset) -> str:
    """Return a name for the folder's collection, the same in every run."""
    name = re.sub(r"[^a-z0-9._-]+", "-", dataset.folder.name.lower())[:40]
    return f"beir-{name}-{hashlib.sha256(str(dataset.folder).encode()).hexdigest()[:8]}"


def _as_json(dataset: Dataset, report: Report, figures: Mapping[str, Figures]) -> dict[str, Any]:
    return {
        "data": str(dataset.folder),
        "split": dataset.split,
        "queries": len(dataset.queries),
        "documents": len(dataset.documents),
        "embedded": report.embedded,
        "parameters": asdict(SYSTEMS["fused"]),
        **{name: asdict(each) for name, each in figures.items()},
    }


def _print(dataset: Dataset, report: Report, figures: Mapping[str, Figures]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{dataset.folder.name}, {dataset.split}: {len(dataset.queries):,} queries over"
        f" {len(dataset.documents):,} documents; {report.embedded:,} chunks were embedded in this run",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column()
    for heading in ("nDCG@10", "Recall@100", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right")
    for name, each in figures.items():
        table.add_row(name, *_cells(each))
    console.print(table)


def _cells(figures: Figures) -> Sequence[str]:
    quality = (f"{value:.4f}" for value in (figures.ndcg_at_10, figures.recall_at_100))
    return [*quality, f"{figures.p50_ms:.1f}", f"{figures.p95_ms:.1f}"]
