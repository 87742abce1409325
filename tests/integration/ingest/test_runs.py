"""A run makes the index equal to its source, whatever the source holds and whenever the run is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from kit.text import terms
from migrations import role_url

pytestmark = pytest.mark.integration

HANDBOOK = Path(__file__).parents[3] / "examples/handbook"
SECONDS_MAX = 120
KILLS = 4

CONTENTS = """
SELECT d.path, d.title, s.allow, array_agg(ARRAY[c.heading, c.text] ORDER BY c.ordinal) AS chunks
FROM rag.documents d JOIN rag.scopes s ON s.id = d.scope_id JOIN rag.chunks c ON c.document_id = d.id
WHERE s.tenant = $1 GROUP BY d.id, s.id ORDER BY d.path
"""
STATISTICS = """
SELECT s.allow, s.chunks, s.tokens,
       (SELECT count(*) FROM rag.chunks c WHERE c.scope_id = s.id) AS chunks_there,
       (SELECT coalesce(sum(c.tokens), 0) FROM rag.chunks c WHERE c.scope_id = s.id) AS tokens_there,
       (SELECT count(*) FROM rag.embeddings e WHERE e.scope_id = s.id) AS vectors,
       (SELECT coalesce(sum(length(block)), 0) / 12 FROM rag.postings p WHERE p.scope_id = s.id) AS postings
FROM rag.scopes s WHERE s.tenant = $1 ORDER BY s.allow
"""
# One posting for each different term of a chunk with its title and heading.
TEXTS = """
SELECT s.allow, concat_ws(' ', d.title, c.heading, c.text) AS passage
FROM rag.chunks c JOIN rag.scopes s ON s.id = c.scope_id JOIN rag.documents d ON d.id = c.document_id
WHERE s.tenant = $1
"""

Ingest = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def tenant() -> str:
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def start(postgres_admin_url: str, embedding_server: str, tenant: str) -> Ingest:
    def process(*arguments: str | Path, tenant: str = tenant, **settings: str) -> subprocess.Popen[str]:
        variables = {
            "DATABASE_URL": role_url(postgres_admin_url, "slipway_ingest"),
            "EMBEDDING_BASE_URL": f"{embedding_server}/v1",
            "PATH": os.environ["PATH"],
            **settings,
        }
        command = [sys.executable, "-P", "-m", "ingest", *map(str, arguments), "--tenant", tenant, "--json"]
        return subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return process


def finished(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    output, errors = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == code, errors
    report: dict[str, Any] = json.loads(output)
    return report


async def rows(url: str, query: str, tenant: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(query, tenant)]
    finally:
        await connection.close()


async def check_statistics(url: str, tenant: str) -> None:
    """What the scopes and the lexical index count is what is there."""
    postings: dict[tuple[str, ...], int] = {}
    for row in await rows(url, TEXTS, tenant):
        allow = tuple(row["allow"])
        postings[allow] = postings.get(allow, 0) + len(set(terms(row["passage"])))
    for scope in await rows(url, STATISTICS, tenant):
        assert scope["chunks"] == scope["chunks_there"] == scope["vectors"]
        assert scope["tokens"] == scope["tokens_there"]
        assert scope["postings"] == postings.get(tuple(scope["allow"]), 0)


async def test_a_second_run_does_nothing_and_a_changed_source_is_followed(
    start: Ingest, tenant: str, postgres_admin_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(HANDBOOK / "policies", folder)
    count = sum(1 for path in folder.iterdir() if path.is_file())
    first = finished(start(folder))
    assert (first["added"], first["failed"]) == (count, [])
    again = finished(start(folder))
    assert (again["unchanged"], again["embedded"], again["added"]) == (count, 0, 0)

    (folder / "leave-policy.md").write_text("# Leave\n\nEverybody has 31 days of leave.\n")
    (folder / "remote-work.md").unlink()
    (folder / "new.txt").write_text("A new document about umbrellas.")
    changed = finished(start(folder))
    assert (changed["added"], changed["changed"], changed["removed"]) == (1, 1, 1)
    contents = {row["path"]: row["chunks"] for row in await rows(postgres_admin_url, CONTENTS, tenant)}
    assert "31 days" in str(contents["leave-policy.md"])
    assert "25 days" not in str(contents["leave-policy.md"])
    assert "remote-work.md" not in contents
    await check_statistics(postgres_admin_url, tenant)


async def test_a_change_of_rights_moves_documents_and_embeds_nothing(
    start: Ingest, tenant: str, postgres_admin_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("# A\n\nThe vault opens at noon.\n")
    (tmp_path / "b.md").write_text("# B\n\nThe door is green.\n")
    finished(start(tmp_path))
    (tmp_path / "access.toml").write_text('[[rule]]\nmatch = "a.md"\nallow = ["group:guards"]\n')
    moved = finished(start(tmp_path))
    assert (moved["moved"], moved["embedded"]) == (1, 0)
    allow = {row["path"]: row["allow"] for row in await rows(postgres_admin_url, CONTENTS, tenant)}
    assert allow == {"a.md": ["group:guards"], "b.md": ["tenant"]}
    await check_statistics(postgres_admin_url, tenant)


async def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    start: Ingest, tenant: str, postgres_admin_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nThis one is fine.\n")
    (folder / "corrupt.pdf").write_bytes(b"%PDF-1.7 nonsense")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    with (folder / "huge.txt").open("wb") as huge:
        huge.truncate(200 * 1024 * 1024)
    (folder / "leaves.txt").symlink_to("/etc/hostname")
    report = finished(start(folder), code=3)
    assert report["added"] == 1
    named = {failure["path"] for failure in report["failed"]}
    assert named == {"corrupt.pdf", "empty.txt", "latin.txt", "huge.txt", "leaves.txt"}
    assert all(failure["reason"] for failure in report["failed"])
    assert [row["path"] for row in await rows(postgres_admin_url, CONTENTS, tenant)] == ["good.md"]


@pytest.mark.parametrize(
    "arguments", [("/nowhere",), (HANDBOOK, "--allow", "nonsense")], ids=["no such folder", "no such entry"]
)
def test_a_run_that_cannot_begin_changes_nothing_and_says_why(
    start: Ingest, arguments: tuple[str, ...]
) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 2
    assert errors.startswith("ingest: ")


async def test_runs_that_are_killed_leave_whole_documents_and_the_next_one_finishes(
    start: Ingest, tenant: str, postgres_admin_url: str
) -> None:
    whole = f"{tenant}-whole"
    began = time.monotonic()
    finished(start(HANDBOOK, tenant=whole))
    seconds = time.monotonic() - began
    expected = await rows(postgres_admin_url, CONTENTS, whole)
    by_path = {row["path"]: row for row in expected}

    chance = random.Random(5)
    for _ in range(KILLS):
        process = start(HANDBOOK, INGEST_BATCH_CHUNKS="16")
        try:
            process.wait(timeout=chance.uniform(0.2, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
        process.communicate(timeout=SECONDS_MAX)
        for row in await rows(postgres_admin_url, CONTENTS, tenant):
            assert row == by_path[row["path"]]
        await check_statistics(postgres_admin_url, tenant)

    finished(start(HANDBOOK))
    assert await rows(postgres_admin_url, CONTENTS, tenant) == expected
    await check_statistics(postgres_admin_url, tenant)
