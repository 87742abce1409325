"""What the documents say of the tree is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("services/*/README.md"),
    *ROOT.glob("ingest/*.md"),
    *ROOT.glob("examples/*.md"),
    *ROOT.glob("tests/**/README.md"),
]
TOP_LEVEL = {path.name for path in ROOT.iterdir()}


def _paths(document: Path) -> set[str]:
    """Return what looks like a path from the root: in backticks or as a link, with a slash in it."""
    text = document.read_text()
    quoted = re.findall(r"`([\w.{},-]+/[\w./{},-]*)`", text)
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    return {path for path in quoted if path.split("/")[0] in TOP_LEVEL} | {
        str((document.parent / path).resolve().relative_to(ROOT)) for path in linked
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    missing = [path for path in _paths(document) if not (ROOT / path).exists()]
    assert not missing


def test_the_adr_index_lists_every_adr_once() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    for adr in ROOT.glob("docs/adr/[0-9]*.md"):
        title = adr.read_text().splitlines()[0].removeprefix("# ")
        assert index.count(f"[{title}]({adr.name})") == 1


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
        assert named <= targets, document
