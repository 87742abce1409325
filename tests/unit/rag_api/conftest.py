"""A small world of documents and who may read them."""

from __future__ import annotations

import pytest

from fakes.answers import FakeDocument, FakeEmbedder, FakeIndex, FakeWriter
from kit.principal import Principal
from rag_api.core.answer import Answerer
from rag_api.core.evidence import FEATURES, Calibration, Evidence

ALICE = Principal("alice", "acme", ("engineering",))
BOB = Principal("bob", "acme", ("finance",))
EVE = Principal("eve", "globex")

ON_COVERAGE = Calibration(
    ranking=tuple(20.0 * (name == "own_coverage") for name in FEATURES),
    decision=tuple(20.0 * (name == "own_coverage") for name in FEATURES),
    bias=-18.0,
)
"""A sentence that has more than 90 % of the question's words answers it."""

LEAVE = FakeDocument(
    "leave.md",
    "Full-time employees receive 25 days of paid vacation. Unused days lapse on 31 March.",
    heading="Leave policy > Paid vacation",
)
BANDS = FakeDocument(
    "bands.csv", "A senior engineer receives a salary of 73800 euros.", allow=("group:finance",)
)


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex([LEAVE, BANDS])


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def answerer(index: FakeIndex, writer: FakeWriter) -> Answerer:
    embedder = FakeEmbedder()
    return Answerer(index, embedder, writer, Evidence(embedder, ON_COVERAGE))
