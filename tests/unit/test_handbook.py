"""The example handbook, and the golden questions about it, are consistent with each other."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatch
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import docx2txt
import pytest
from pypdf import PdfReader

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "examples/handbook"
SOURCES = ROOT / "examples/handbook-sources"
QUESTIONS = ROOT / "tests/evals/handbook"
FORMATS = {".md", ".html", ".pdf", ".docx", ".csv", ".txt"}
DOCUMENTS = sorted(
    path.relative_to(HANDBOOK).as_posix()
    for path in HANDBOOK.rglob("*")
    if path.is_file() and path.name != "access.toml"
)
ENTRIES = {
    "alice": {"tenant", "group:engineering", "user:alice"},
    "bob": {"tenant", "group:finance", "user:bob"},
    "eve": set[str](),  # of tenant globex, which has no documents
}
FOOTER = re.compile(r"^Acme Instruments - .* - page \d+$", re.MULTILINE)


class _Text(HTMLParser):
    """Collects the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _html(path: Path) -> str:
    parser = _Text()
    parser.feed(path.read_text(encoding="utf-8"))
    return " ".join(parser.parts)


def _pdf(path: Path) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def _docx(path: Path) -> str:
    return str(docx2txt.process(path))


def _file(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _plain(text: str) -> str:
    """Return `text` as facts are compared: in lower case, with single spaces."""
    return " ".join(text.casefold().split())


@cache
def _text(document: str) -> str:
    path = HANDBOOK / document
    readers: dict[str, Callable[[Path], str]] = {".pdf": _pdf, ".html": _html, ".docx": _docx}
    return _plain(readers.get(path.suffix, _file)(path))


@cache
def _rules() -> list[dict[str, Any]]:
    return list(tomllib.loads((HANDBOOK / "access.toml").read_text())["rule"])


def _allow(document: str) -> set[str]:
    """Return who may read a document: the first matching rule decides, otherwise the whole tenant."""
    return next((set(rule["allow"]) for rule in _rules() if fnmatch(document, rule["match"])), {"tenant"})


def _readable(person: str) -> list[str]:
    return [document for document in DOCUMENTS if _allow(document) & ENTRIES[person]]


def _questions(*names: str) -> list[dict[str, Any]]:
    lines = [line for name in names for line in (QUESTIONS / f"{name}.jsonl").read_text().splitlines()]
    return [json.loads(line) for line in lines]


def _documents(question: dict[str, Any]) -> list[str]:
    named = question["document"]
    return [named] if isinstance(named, str) else list(named)


ANSWERABLE = _questions("answerable", "dev_answerable")
FORBIDDEN = _questions("forbidden")


def _by_id(question: dict[str, Any]) -> str:
    return str(question["id"])


def test_the_handbook_has_thirty_documents_and_three_or_more_of_each_format() -> None:
    formats = Counter(Path(document).suffix for document in DOCUMENTS)
    assert len(DOCUMENTS) >= 30
    assert set(formats) == FORMATS
    assert min(formats.values()) >= 3


@pytest.mark.parametrize(
    ("folder", "allow"),
    [
        ("engineering", {"group:engineering"}),
        ("finance", {"group:finance"}),
        ("projects", {"group:engineering", "group:finance"}),
    ],
)
def test_a_restricted_folder_is_for_its_groups_only(folder: str, allow: set[str]) -> None:
    inside = [document for document in DOCUMENTS if document.startswith(f"{folder}/")]
    assert inside
    assert all(_allow(document) == allow for document in inside)


def test_all_other_folders_are_for_everyone_in_the_tenant() -> None:
    restricted = ("engineering/", "finance/", "projects/")
    assert {frozenset(_allow(document)) for document in DOCUMENTS if not document.startswith(restricted)} == {
        frozenset({"tenant"})
    }


@pytest.mark.parametrize("question", ANSWERABLE, ids=_by_id)
def test_a_documents_text_holds_each_fact_that_a_question_asks_for(question: dict[str, Any]) -> None:
    assert question["facts"]
    for document in _documents(question):
        assert document in _readable(question["as"])
        assert [fact for fact in question["facts"] if _plain(fact) not in _text(document)] == []


@pytest.mark.parametrize("question", ANSWERABLE, ids=_by_id)
def test_a_question_does_not_give_its_facts_away(question: dict[str, Any]) -> None:
    assert not all(_plain(fact) in _plain(question["question"]) for fact in question["facts"])


@pytest.mark.parametrize("question", FORBIDDEN, ids=_by_id)
def test_a_secret_stands_in_a_forbidden_document_and_in_nothing_that_the_asker_may_see(
    question: dict[str, Any],
) -> None:
    readable = _readable(question["as"])
    assert question["forbidden"]
    assert question["secrets"]
    assert set(question["forbidden"]) <= set(DOCUMENTS) - set(readable)
    hidden = " ".join(f"{document} {_text(document)}" for document in question["forbidden"])
    visible = " ".join([*(f"{document} {_text(document)}" for document in readable), question["question"]])
    for secret in map(_plain, question["secrets"]):
        assert secret in _plain(hidden)
        assert secret not in _plain(visible)


def test_the_sets_are_large_enough_and_share_no_question_and_no_fact() -> None:
    least = {
        "answerable": 28,
        "unanswerable": 12,
        "forbidden": 12,
        "dev_answerable": 15,
        "dev_unanswerable": 15,
    }
    assert {path.stem for path in QUESTIONS.glob("*.jsonl")} == set(least)
    assert all(len(_questions(name)) >= count for name, count in least.items())
    every = _questions(*least)
    assert len({question["id"] for question in every}) == len(every)
    assert len({_plain(question["question"]) for question in every}) == len(every)
    facts = [
        (document, fact) for item in ANSWERABLE for document in _documents(item) for fact in item["facts"]
    ]
    assert len(set(facts)) == len(facts)


def test_every_document_is_asked_about() -> None:
    asked = {document for question in ANSWERABLE for document in _documents(question)}
    assert set(DOCUMENTS) - asked == set()


def test_every_csv_table_has_as_many_cells_in_each_row_as_columns() -> None:
    for document in (document for document in DOCUMENTS if document.endswith(".csv")):
        with (HANDBOOK / document).open(newline="", encoding="utf-8") as file:
            widths = {len(row) for row in csv.reader(file)}
        assert len(widths) == 1, document


@pytest.mark.parametrize(
    "source", sorted(SOURCES.rglob("*.md")), ids=lambda path: path.relative_to(SOURCES).as_posix()
)
def test_a_generated_file_holds_the_text_of_its_source_in_order(source: Path) -> None:
    """Fails when a source was edited and `examples/make_handbook_binaries.py` was not run."""
    target = HANDBOOK / source.relative_to(SOURCES).with_suffix("")
    extracted = _pdf(target) if target.suffix == ".pdf" else _docx(target)
    lines = [line for line in source.read_text().splitlines() if not re.fullmatch(r"[|-]+", line)]
    expected = " ".join(re.sub(r"^(#+|-|\d+\.) |\|", " ", line) for line in lines)
    got = re.sub(r"^(-|\d+\.) ", " ", FOOTER.sub("", extracted), flags=re.MULTILINE)
    assert _repeated_headings_removed(_plain(got), source) == _plain(expected)


def _repeated_headings_removed(text: str, source: Path) -> str:
    """Return `text` with each table's first row kept once; a PDF repeats it after a page break."""
    rows = re.findall(r"^(\|.*)\n\|--", source.read_text(), re.MULTILINE)
    for heading in (_plain(row.replace("|", " ")) for row in rows):
        first, *rest = text.split(heading)
        text = first + heading + " ".join(rest)
    return " ".join(text.split())


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.endswith(".pdf")])
def test_a_pdf_names_its_title_and_starts_with_it(document: str) -> None:
    reader = PdfReader(HANDBOOK / document)
    assert reader.metadata is not None
    assert _text(document).startswith(_plain(reader.metadata.title or "no title"))


def test_one_pdf_has_three_pages_or_more() -> None:
    pages = [len(PdfReader(HANDBOOK / path).pages) for path in DOCUMENTS if path.endswith(".pdf")]
    assert max(pages) >= 3
