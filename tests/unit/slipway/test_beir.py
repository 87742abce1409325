from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingest.adapters.readers import documents
from slipway.beir import BadDataset, CorpusSource, load

CORPUS = """\
{"_id": "d1", "title": "Leave", "text": "25 days of vacation."}
{"_id": "d2", "title": "", "text": "Opens at <eight> & closes."}

{"_id": "d3", "title": "Only a title", "text": ""}
{"_id": "d4", "title": " ", "text": ""}
"""
QUERIES = """\
{"_id": "q1", "text": "How many days?", "metadata": {}}
{"_id": "q2", "text": "When does it open?"}
{"_id": "q3", "text": "Is not judged."}
"""
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(folder: Path, *, corpus: str = CORPUS, queries: str = QUERIES, qrels: str = QRELS) -> None:
    (folder / "corpus.jsonl").write_text(corpus)
    (folder / "queries.jsonl").write_text(queries)
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(qrels)


def test_a_folder_becomes_documents_queries_and_what_answers_them(folder: Path) -> None:
    dataset = load(folder, "test")
    assert list(dataset.documents) == ["d1", "d2", "d3", "d4"]
    assert dataset.queries == {"q1": "How many days?", "q2": "When does it open?"}
    assert dataset.relevant == {"q1": {"d1": 2}, "q2": {"d2": 1}}


def test_compressed_files_and_trecs_four_columns_are_understood(folder: Path) -> None:
    for name in ("corpus", "queries"):
        plain = folder / f"{name}.jsonl"
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    (folder / "qrels" / "test.tsv").write_text("q1 \t0 d1\t2\nq2 \t0 d2\t1\n")
    assert load(folder, "test").relevant == {"q1": {"d1": 2}, "q2": {"d2": 1}}


async def test_the_source_lists_every_document_that_has_a_word_and_keeps_its_text(folder: Path) -> None:
    source = CorpusSource(folder, load(folder, "test").documents)
    items = await source.list()
    assert [item.path for item in items] == ["d1", "d2", "d3"]
    parsed = [documents.read(await source.read(item, "")) for item in items]
    assert [(page.title, page.text.strip()) for page in parsed] == [
        ("Leave", "25 days of vacation."),
        ("", "Opens at <eight> & closes."),
        ("Only a title", "Only a title"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpus": CORPUS + "{"}, "corpus.jsonl, line 6 is not JSON"),
        ({"corpus": "[]"}, "corpus.jsonl, line 1 is not a JSON object"),
        ({"corpus": '{"_id": "d1", "title": "x"}'}, "corpus.jsonl, line 1 has no string 'text'"),
        ({"corpus": '{"_id": 7, "text": "x"}'}, "corpus.jsonl, line 1 has no string '_id'"),
        ({"corpus": '{"_id": "", "text": "x"}'}, "corpus.jsonl, line 1: '' cannot be an id"),
        ({"corpus": CORPUS * 2}, "corpus.jsonl, line 6: 'd1' is there twice"),
        ({"queries": "no"}, "queries.jsonl, line 1 is not JSON"),
        ({"qrels": "q1\td1\n"}, "test.tsv, line 1 has 2 columns"),
        ({"qrels": QRELS + "q1\td2\thigh\n"}, "test.tsv, line 5: the score 'high' is no whole number"),
        ({"qrels": QRELS + "q9\td1\t1\n"}, "test.tsv, line 5: there is no query 'q9'"),
        ({"qrels": QRELS + "q1\td9\t1\n"}, "test.tsv, line 5: there is no document 'd9'"),
        ({"qrels": "q1\td1\t0\n"}, "names no relevant document"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, change: dict[str, str], message: str) -> None:
    write(tmp_path, **change)
    with pytest.raises(BadDataset) as caught:
        load(tmp_path, "test")
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(BadDataset, match=r"The splits are test\."):
        load(folder, "dev")
    (folder / "queries.jsonl").unlink()
    with pytest.raises(BadDataset, match=r"has no queries\.jsonl and no queries\.jsonl\.gz"):
        load(folder, "test")
    with pytest.raises(BadDataset, match="is no folder"):
        load(folder / "nowhere", "test")


def test_files_that_are_cut_short_or_in_another_encoding_are_refused(folder: Path) -> None:
    (folder / "queries.jsonl").write_bytes(b'{"_id": "q1", "text": "\xff"}')
    with pytest.raises(BadDataset, match=r"queries\.jsonl, line 1 is not UTF-8"):
        load(folder, "test")
    corpus = folder / "corpus.jsonl"
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.read_bytes())[:-20])
    corpus.unlink()
    with pytest.raises(BadDataset, match=r"corpus\.jsonl\.gz cannot be read"):
        load(folder, "test")
