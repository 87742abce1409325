"""`slipway eval retrieval` over the embedded Postgres and the real embedding model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.stack import run
from kit.db import Database
from migrations import role_url

pytestmark = pytest.mark.integration

DOCUMENTS = {
    "cell": ("Cells", "Mitochondria produce the energy of a cell."),
    "sea": ("The sea", "Its tides follow the gravity of the Moon."),
    "tea": ("", "Green tea is brewed with water below the boiling point."),
    "why": ("The sea", "Why does the sea have tides?"),
}
QUERIES = {
    "q1": "What gives a cell its energy?",
    "q2": "how hot should the water be for tea",
    "why": "Why does the sea have tides?",
}
ANSWERS = {"q1": "cell", "q2": "tea", "why": "sea"}

Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "Small Corpus"
    (data / "qrels").mkdir(parents=True)
    documents = [{"_id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    (data / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    queries = [{"_id": key, "text": text} for key, text in QUERIES.items()]
    (data / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    judged = "".join(f"{query}\t{document}\t1\n" for query, document in ANSWERS.items())
    (data / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return data


@pytest.fixture
def evaluate(folder: Path, tmp_path: Path, postgres_admin_url: str, embedding_server: str) -> Evaluate:
    def command(*options: str) -> dict[str, Any]:
        variables = {
            "SLIPWAY_HOME": str(tmp_path / "home"),
            "DATABASE_URL": postgres_admin_url,
            "EMBEDDING_BASE_URL": f"{embedding_server}/v1",
        }
        done = run(("eval", "retrieval", "--data", str(folder), "--json", *options), variables)
        assert done.returncode == 0, done.stderr
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures

    return command


async def test_a_kept_index_is_not_embedded_again_and_otherwise_nothing_stays(
    evaluate: Evaluate, postgres_admin_url: str
) -> None:
    first = evaluate("--keep")
    assert first["embedded"] == first["documents"] == len(DOCUMENTS)
    assert first["queries"] == len(QUERIES)
    for system in ("dense", "lexical", "fused"):
        # The query that is itself a document would find itself first, if that counted.
        assert first[system]["ndcg_at_10"] == pytest.approx(1.0)
        assert first[system]["recall_at_100"] == pytest.approx(1.0)
        assert 0 < first[system]["p50_ms"] <= first[system]["p95_ms"]
    assert await _documents(postgres_admin_url) == len(DOCUMENTS)

    second = evaluate()
    assert second["embedded"] == 0
    assert second["fused"]["ndcg_at_10"] == first["fused"]["ndcg_at_10"]
    assert await _documents(postgres_admin_url) == 0


async def _documents(admin_url: str) -> int:
    from sqlalchemy import text

    database = Database(role_url(admin_url, "slipway_ingest"), name="test")
    try:
        async with database.transaction(tenant="eval", entries=[]) as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM rag.documents")) or 0)
    finally:
        await database.aclose()
