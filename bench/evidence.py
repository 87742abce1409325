"""Fits the weights of `rag_api.core.evidence` to the golden questions of the development split, and writes them to
`services/rag-api/src/rag_api/calibration.json`. Run it again after a change of the embedding model, of the features or
of the chunks: `make calibrate`, while Slipway runs with the handbook in it.

Two logistic models with a ridge penalty, solved by Newton's method. One ranks: of two sentences, one that answers and
one that does not, the first must score higher. The other decides whether the first-ranked sentence answers. It learns
from three kinds of questions: answerable ones, unanswerable ones, and answerable ones whose document is withheld,
which are the hardest. What is printed is measured by leaving each question out in turn; the final check is
`tests/evals`, whose questions this script never reads.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from kit.db import Database
from kit.embeddings import EmbeddingClient
from kit.principal import Principal
from kit.settings import EmbeddingSettings
from rag_api.adapters.postgres_chunks import PostgresChunkIndex
from rag_api.core.evidence import FEATURES, Calibration, Evidence, Sentence
from rag_api.core.search import SearchResult, search
from slipway.config import load_config
from slipway.environment import connection
from slipway.identity import USERS

ROOT = Path(__file__).parents[1]
QUESTIONS = ROOT / "tests/evals/handbook"
OUTPUT = ROOT / "services/rag-api/src/rag_api/calibration.json"
PASSAGES = 8
"""As `RAG_API_PASSAGES_MAX`."""
RANKING_RIDGE = 1.0
DECISION_RIDGE = 1.0
WITHHELD_WEIGHT = 0.5
"""A question whose document is withheld counts half: its answer may stand elsewhere too."""
NEUTRAL = Calibration(ranking=(1.0,) * len(FEATURES), decision=(0.0,) * len(FEATURES), bias=0.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """A golden question with the sentences found for it, and those found without its documents."""

    fields: dict[str, Any]
    found: list[Sentence]
    withheld: list[Sentence]

    def is_answered_by(self, sentence: Sentence) -> bool:
        """Tell if the sentence is of the right document and holds a fact that the answer needs."""
        text = " ".join(sentence.text.lower().split())
        facts = (" ".join(fact.lower().split()) for fact in self.fields.get("facts", ()))
        return sentence.hit.document.path in _documents(self.fields) and any(fact in text for fact in facts)


async def collect() -> list[Question]:
    """Ask the running stack for the sentences of every question of the development split."""
    config = load_config()
    settings = EmbeddingSettings()
    url = connection(config, "EMBEDDING_BASE_URL")
    embedder = EmbeddingClient(base_url=url, model=settings.embedding_model, timeout_seconds=60)
    database = Database(connection(config, "DATABASE_URL", "slipway_rag_api"), name="calibration")
    index, evidence = PostgresChunkIndex(database), Evidence(embedder, NEUTRAL)
    lines = [
        json.loads(line)
        for name in ("dev_answerable", "dev_unanswerable")
        for line in (QUESTIONS / f"{name}.jsonl").read_text().splitlines()
    ]
    questions = []
    for fields in track(lines, "weighing sentences"):
        question, caller = fields["question"], _principal(fields["as"])
        result = await search(index, embedder, caller, query=question, collection=None, limit=4 * PASSAGES)
        found = await evidence.weigh(question, _first(result))
        withheld = await evidence.weigh(question, _first(result, without=_documents(fields)))
        questions.append(Question(fields, found, withheld if _documents(fields) else []))
    await embedder.aclose()
    await database.aclose()
    return questions


def fit(questions: Sequence[Question]) -> Calibration:
    """Return the weights that tell the sentences that answer from the others."""
    pairs, weights = [], []
    for question in questions:
        good = [s.features for s in question.found if question.is_answered_by(s)]
        bad = [s.features for s in question.found if not question.is_answered_by(s)]
        differences = [np.subtract(a, b) for a in good for b in bad]
        pairs += differences
        weights += [1 / len(differences)] * len(differences) if differences else []
    ranking, _ = _logistic(np.array(pairs), np.ones(len(pairs)), np.array(weights), RANKING_RIDGE, bias=False)
    first = dataclasses.replace(NEUTRAL, ranking=tuple(ranking))
    cases = [
        (best.features, question.is_answered_by(best), weight)
        for question in questions
        for sentences, weight in ((question.found, 1.0), (question.withheld, WITHHELD_WEIGHT))
        if (best := _best(sentences, first))
    ]
    features, answers, weight = (np.array(column, dtype=float) for column in zip(*cases, strict=True))
    decision, bias = _logistic(features, answers, weight, DECISION_RIDGE, bias=True)
    return Calibration(tuple(ranking), tuple(decision), bias)


def leave_one_out(questions: Sequence[Question]) -> Iterable[tuple[str, bool, float]]:
    """Yield (kind of question, whether the best sentence answers, its probability) by weights fitted without it."""
    for place, question in enumerate(track(questions, "leaving one out")):
        weights = fit([*questions[:place], *questions[place + 1 :]])
        kind = "answerable" if _documents(question.fields) else "unanswerable"
        for name, sentences in ((kind, question.found), ("withheld", question.withheld)):
            if best := _best(sentences, weights):
                yield name, question.is_answered_by(best), weights.probability(best.features)


def main() -> None:
    questions = asyncio.run(collect())
    results = list(leave_one_out(questions))
    for kind in ("answerable", "unanswerable", "withheld"):
        mine = [(right, probability) for name, right, probability in results if name == kind]
        print(f"\n{kind}: {len(mine)} questions, best sentence right in {sum(right for right, _ in mine)}")
        for threshold in (0.3, 0.4, 0.45, 0.5, 0.6):
            believed = [right for right, probability in mine if probability >= threshold]
            print(f"  at {threshold}: {len(believed)} believed, {sum(believed)} of them right")
    final = fit(questions)
    OUTPUT.write_text(json.dumps(_document(final), indent=2) + "\n")
    print(f"\nWrote {OUTPUT.relative_to(ROOT)}.")


def _logistic(x: Floats, y: Floats, weight: Floats, ridge: float, *, bias: bool) -> tuple[list[float], float]:
    """Return the coefficients and the intercept of a weighted logistic regression.

    Shapes: x (n, k), y and weight (n,). Columns are scaled to a standard deviation of 1 before the penalty applies;
    the intercept has none.
    """
    centre = x.mean(axis=0) if bias else np.zeros(x.shape[1])
    scale = np.sqrt(((x - centre) ** 2).mean(axis=0)) + 1e-9
    z = np.column_stack([(x - centre) / scale, np.full(len(x), float(bias))])
    penalty = np.diag([ridge] * x.shape[1] + [1e-6])
    b = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ b))
        gradient = z.T @ (weight * (p - y)) + penalty @ b
        b -= np.linalg.solve((z * (weight * p * (1 - p))[:, None]).T @ z + penalty, gradient)
    coefficients = b[:-1] / scale
    return coefficients.tolist(), float(b[-1] * bias - coefficients @ centre)


def _best(sentences: Sequence[Sentence], weights: Calibration) -> Sentence | None:
    return max(sentences, key=lambda sentence: weights.rank(sentence.features), default=None)


def _first(result: SearchResult, without: Sequence[str] = ()) -> SearchResult:
    chunks = [chunk for chunk in result.chunks if chunk.hit.document.path not in without]
    return dataclasses.replace(result, chunks=chunks[:PASSAGES])


def _documents(fields: dict[str, Any]) -> list[str]:
    named = fields.get("document", [])
    return [named] if isinstance(named, str) else list(named)


def _principal(name: str) -> Principal:
    return Principal(name, USERS[name]["tenant"], tuple(USERS[name]["groups"]))


def _document(weights: Calibration) -> dict[str, Any]:
    return {
        "embedding_model": EmbeddingSettings().embedding_model,
        "ranking": {name: round(w, 3) for name, w in zip(FEATURES, weights.ranking, strict=True)},
        "decision": {name: round(w, 3) for name, w in zip(FEATURES, weights.decision, strict=True)},
        "bias": round(weights.bias, 3),
    }


if __name__ == "__main__":
    main()
