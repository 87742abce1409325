"""How much of a question a text speaks of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rag_api.core import coverage as module
from rag_api.core.coverage import WordVectors, content_words, coverage

NEAR = {"holiday": (1.0, 0.0, 0.0), "vacation": (0.8, 0.6, 0.0), "lamp": (0.0, 0.0, 1.0)}


class Embedder:
    model = "words"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> module.Vector:
        assert model is None
        self.asked += texts
        return np.array([NEAR.get(text, (0.0, 1.0, 0.0)) for text in texts], dtype=np.float32)


async def covered(question: str, text: str, rarity: dict[str, float] | None = None) -> float:
    vectors = await WordVectors(Embedder()).of(content_words(f"{question} {text}"))
    return coverage(question, text, rarity or {}, vectors)


async def test_the_same_word_covers_wholly_a_like_one_in_part_and_another_not_at_all() -> None:
    assert await covered("holiday", "Holidays are long") == 1
    assert await covered("holiday", "vacation") == pytest.approx((0.8 - 0.3) / 0.7)
    assert await covered("holiday", "lamp") == 0


async def test_a_rare_word_counts_more_than_a_common_one() -> None:
    rarity = {"holiday": 9.0, "lamp": 1.0}
    assert await covered("holiday lamp", "holiday", rarity) == pytest.approx(0.9)
    assert await covered("holiday lamp", "lamp", rarity) == pytest.approx(0.1)


@pytest.mark.parametrize(("question", "text"), [("what is it?", "lamp"), ("lamp", "it is"), ("", "")])
async def test_without_content_words_nothing_is_covered(question: str, text: str) -> None:
    assert await covered(question, text) == 0


async def test_words_are_embedded_once_while_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORDS_KEPT_MAX", 2)
    embedder = Embedder()
    words = WordVectors(embedder)
    await words.of(["holiday", "lamp"])
    await words.of(["lamp", "holiday"])
    assert embedder.asked == ["holiday", "lamp"]
    await words.of(["vacation"])
    await words.of(["lamp", "holiday"])
    assert embedder.asked[2:] == ["vacation", "holiday"] or embedder.asked[2:] == ["vacation", "lamp"]
