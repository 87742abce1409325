"""What a newcomer does, with the real models: `make demo`'s path, once more, and a database that dies meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import Any

import httpx
import pytest

from fixtures.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]

QUESTION = "How many days of paid vacation do I get?"
RECOVERY_SECONDS_MAX = 60


def test_the_demo_answers_from_the_leave_policy_and_says_how_long_it_took(stack: Stack) -> None:
    output = " ".join(stack.demo.stdout.split())
    assert "25 days of paid vacation" in output
    assert "policies/leave-policy.md" in output
    for stage in ("start", "ingest", "ask"):
        assert f"{stage} " in output.rpartition("in all:")[2]
    assert "Try next" in output


def test_a_second_demo_embeds_nothing_anew(stack: Stack) -> None:
    second = stack.slipway("demo")
    assert second.returncode == 0, second.stderr
    assert "25 days" in second.stdout
    assert re.search(r"unchanged +38\b", second.stdout)

    before = _embedded_tokens(stack)
    again = stack.slipway("ingest", "examples/handbook")
    assert again.returncode == 0, again.stderr
    assert _embedded_tokens(stack) == before > 0


def test_an_answer_quotes_the_document_at_its_offsets(stack: Stack) -> None:
    asked = stack.slipway("ask", QUESTION, "--as", "alice", "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["insufficient_evidence"] is False
    assert answer["citations"]
    with _client(stack, "alice") as client:
        for citation in answer["citations"]:
            text = client.get(f"/v1/documents/{citation['document']['id']}").json()["text"]
            assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_status_says_that_everything_is_ready(stack: Stack) -> None:
    status = stack.slipway("status")
    assert status.returncode == 0, status.stdout
    assert status.stdout.count("ready") >= 6


@pytest.mark.parametrize("part", ["postgres", "valkey", "embeddings"])
def test_a_killed_part_is_a_503_at_most_and_comes_back(stack: Stack, part: str) -> None:
    os.kill(_process(stack, part), signal.SIGKILL)
    deadline = time.monotonic() + RECOVERY_SECONDS_MAX
    statuses = []
    with _client(stack, "alice") as client:
        while time.monotonic() < deadline:
            response = client.post("/v1/search", json={"query": QUESTION})
            statuses.append(response.status_code)
            if response.status_code == 200:
                break
            assert response.status_code == 503
            assert response.headers["retry-after"].isdecimal()
            assert response.json()["code"]
            time.sleep(0.1)
    assert statuses[-1] == 200, statuses
    assert response.json()["hits"][0]["document"]["path"] == "policies/leave-policy.md"


def _client(stack: Stack, user: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {stack.token(user)}"}
    return httpx.Client(base_url=stack.rag_api, headers=headers, timeout=60)


def _process(stack: Stack, part: str) -> int:
    parts: list[dict[str, Any]] = json.loads(stack.slipway("status", "--json").stdout)["parts"]
    return next(int(entry["pid"]) for entry in parts if entry["name"] == part)


def _embedded_tokens(stack: Stack) -> float:
    metrics = httpx.get(f"http://127.0.0.1:{stack.variables['MODEL_SERVER_EMBEDDINGS_PORT']}/metrics").text
    found = re.search(r'^model_server_tokens_total\{kind="prompt"\} (.+)$', metrics, re.MULTILINE)
    return float(found[1]) if found else 0
