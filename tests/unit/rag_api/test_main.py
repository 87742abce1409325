"""What the settings make of an answer."""

from __future__ import annotations

import pytest

from rag_api.core.answer import LARGE_MODEL, SMALL_MODEL, AnswerParameters
from rag_api.main import answer_parameters
from rag_api.settings import Settings

REQUIRED = {
    "DATABASE_URL": "postgresql://a:b@127.0.0.1/c",
    "REDIS_URL": "redis://127.0.0.1",
    "AUTH_JWKS_URL": "file:///keys.json",
}


@pytest.fixture(autouse=True)
def _required(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def test_the_size_of_the_model_decides_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer_parameters(Settings()) == SMALL_MODEL
    monkeypatch.setenv("RAG_API_MODEL_SIZE", "large")
    assert answer_parameters(Settings()) == LARGE_MODEL


def test_what_is_set_wins_even_if_it_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_API_MODEL_SIZE", "large")
    monkeypatch.setenv("RAG_API_EVIDENCE_MIN", "0")
    monkeypatch.setenv("RAG_API_CONTEXT_TOKENS_MAX", "9000")
    expected = AnswerParameters(
        context_tokens_max=9000,
        answer_tokens_max=LARGE_MODEL.answer_tokens_max,
        evidence_min=0,
        extraction_min=LARGE_MODEL.extraction_min,
    )
    assert answer_parameters(Settings()) == expected
