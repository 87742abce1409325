"""Retrieval test collections in BEIR's layout: corpus.jsonl, queries.jsonl (either may end in .gz), qrels/SPLIT.tsv.

Source: https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset
"""

from __future__ import annotations

import gzip
import html
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.core.documents import Content, Item
from slipway.errors import SlipwayError

HTML = "text/html"


class BadDataset(SlipwayError):
    """The folder is not a complete test collection. The message names the file, the line and the reason."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of the corpus."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A corpus, and the queries of one split with the documents that answer them."""

    folder: Path
    split: str
    documents: Mapping[str, Entry]
    queries: Mapping[str, str]
    """By id; each has at least one relevant document."""
    relevant: Mapping[str, Mapping[str, int]]
    """Query → document → grade, which is above 0."""


def load(folder: Path, split: str) -> Dataset:
    """Read a folder. Errors: BadDataset."""
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise BadDataset(f"{folder} is no folder.")
    corpus, queries, judgements = _jsonl(folder, "corpus"), _jsonl(folder, "queries"), _qrels(folder, split)
    documents = {
        entry_id: Entry(str(record.get("title") or ""), _string(where, record, "text"))
        for where, entry_id, record in _entries(corpus)
    }
    texts = {entry_id: _string(where, record, "text") for where, entry_id, record in _entries(queries)}
    relevant = _judgements(judgements, documents, texts)
    return Dataset(folder, split, documents, {query: texts[query] for query in relevant}, relevant)


class CorpusSource:
    """Implements ingest.core.ports.Source: each document is an HTML page, its path is its id."""

    def __init__(self, folder: Path, documents: Mapping[str, Entry]) -> None:
        self.name = folder.as_uri()
        self._documents = documents

    async def list(self) -> Sequence[Item]:
        return [
            Item(path, HTML)
            for path, entry in sorted(self._documents.items())
            if entry.title.strip() or entry.text.strip()
        ]

    async def access_rules(self) -> None:
        return None

    async def read(self, item: Item, fingerprint: str) -> Content:
        entry = self._documents[item.path]
        body = entry.text if entry.text.strip() else entry.title
        page = f"<title>{html.escape(entry.title)}</title><p>{html.escape(body)}</p>"
        return Content(page.encode("utf-8", "replace"), HTML, charset="utf-8")

    async def aclose(self) -> None:
        pass


def _jsonl(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if path.is_file():
            return path
    raise BadDataset(f"{folder} has no {name}.jsonl and no {name}.jsonl.gz: it is not in BEIR's layout.")


def _qrels(folder: Path, split: str) -> Path:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in (folder / "qrels").glob("*.tsv")))
        raise BadDataset(
            f"{path} does not exist. " + (f"The splits are {there}." if there else "There is no split.")
        )
    return path


def _entries(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (place, id, record) of each line."""
    seen = set()
    for where, line in _lines(path):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BadDataset(f"{where} is not JSON: {error}.") from error
        if not isinstance(record, dict):
            raise BadDataset(f"{where} is not a JSON object.")
        entry_id = _string(where, record, "_id")
        if not entry_id or not entry_id.isprintable() or entry_id in seen:
            problem = "is there twice" if entry_id in seen else "cannot be an id"
            raise BadDataset(f"{where}: {entry_id!r} {problem}.")
        seen.add(entry_id)
        yield where, entry_id, record


def _judgements(
    path: Path, documents: Mapping[str, Entry], queries: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """Return the relevant documents of each query that has any."""
    relevant: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for number, (where, line) in enumerate(_lines(path), start=1):
        fields = line.split()
        if len(fields) == 4:  # TREC's layout, whose second column means nothing
            del fields[1]
        if len(fields) != 3:
            raise BadDataset(f"{where} has {len(fields)} columns: query-id, corpus-id and score are wanted.")
        query, document, grade = fields
        if not grade.removeprefix("-").isdecimal():
            if number == 1:
                continue  # the header
            raise BadDataset(f"{where}: the score {grade!r} is no whole number.")
        for kind, entry_id, known in (("query", query, queries), ("document", document, documents)):
            if entry_id not in known:
                raise BadDataset(f"{where}: there is no {kind} {entry_id!r}.")
        if int(grade) > 0:
            relevant[query][document] = int(grade)
    if not relevant:
        raise BadDataset(f"{path} names no relevant document.")
    return dict(relevant)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, line) of each line that is not blank."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise BadDataset(f"{where} is not UTF-8: {error.reason}.") from error
                if text.strip():
                    yield where, text
    except (OSError, EOFError, zlib.error) as error:
        raise BadDataset(f"{path} cannot be read: {error}.") from error


def _string(where: str, record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise BadDataset(f"{where} has no string {name!r}.")
    return value
