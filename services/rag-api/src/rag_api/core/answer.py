"""Answer a question from documents: find passages, weigh the evidence, let the model write, believe only what is
proven, and otherwise quote or say that the evidence is not there."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from kit.contracts.documents import Answer, Citation, Hit, Statement, Usage
from kit.principal import Principal
from rag_api.core.evidence import Evidence, Sentence
from rag_api.core.excerpts import Excerpt, excerpts
from rag_api.core.extract import extract
from rag_api.core.gate import is_made_up, proven
from rag_api.core.ports import ChunkIndex, Embedder
from rag_api.core.quotes import Span
from rag_api.core.search import search
from rag_api.core.statements import Claim, ClaimReader

INSUFFICIENT = "The documents that you may read do not hold enough evidence to answer this question."


class Writer(Protocol):
    """A chat model that writes an answer from passages."""

    def write(self, question: str, passages: Sequence[str]) -> AsyncGenerator[str | Usage, None]:
        """Yield about what it uses, then JSON (see core.statements) in pieces, then exactly what it used.

        Whoever has read enough closes the generator, which stops the model.
        Errors: kit.errors.Unavailable (retryable), kit.errors.Misbehaved.
        """
        ...


@dataclass(frozen=True, slots=True)
class AnswerParameters:
    """What a model is given, and how far it is believed. The meanings are in `settings.py`."""

    passages_max: int = 8
    context_tokens_max: int = 200
    answer_tokens_max: int = 80
    evidence_min: float = 0.4
    extraction_min: float = 0.4


SMALL_MODEL = AnswerParameters()
"""For the bundled model, which reads about 200 tokens a second on two cores, writes 30, and seldom proves anything."""
LARGE_MODEL = AnswerParameters(
    context_tokens_max=4000, answer_tokens_max=1000, evidence_min=0.05, extraction_min=0.7
)
"""For a model that can write. It judges better than the estimate whether there is evidence, so it is asked on little,
and where it proves nothing only a sentence that is almost certain is quoted."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers questions with a caller's rights."""

    index: ChunkIndex
    embedder: Embedder
    writer: Writer
    evidence: Evidence
    parameters: AnswerParameters = AnswerParameters()

    async def answer(
        self, principal: Principal, question: str, *, collection: str | None = None
    ) -> AsyncGenerator[Statement | Answer, None]:
        """Yield each statement as soon as it is proven, then the whole answer.

        Errors: CollectionNotFound; kit.errors.Unavailable if a dependency is down; kit.errors.Misbehaved.
        """
        draft = _Draft()
        found = await search(
            self.index,
            self.embedder,
            principal,
            query=question,
            collection=collection,
            limit=self.parameters.passages_max,
        )
        draft.add_search_timings(found.timings_ms)
        with draft.measuring("evidence"):
            ranked = await self.evidence.weigh(question, found)
        if ranked and ranked[0].probability >= self.parameters.evidence_min:
            async with aclosing(self._written(draft, question, ranked, found.hits)) as statements:
                async for statement in statements:
                    yield statement
        if not draft.statements:
            for sentence in extract(question, ranked, probability_min=self.parameters.extraction_min):
                yield draft.quote(sentence)
        yield draft.finished()

    async def _written(
        self, draft: _Draft, question: str, ranked: list[Sentence], hits: list[Hit]
    ) -> AsyncGenerator[Statement, None]:
        """Yield what the model says, as far as it is proven. A model that makes up its first quote is stopped."""
        sources = excerpts(ranked, hits, tokens_max=self.parameters.context_tokens_max)
        prompts = [source.prompt for source in sources]
        claims = ClaimReader()
        async with aclosing(self.writer.write(question, prompts)) as pieces:
            async for piece in draft.timed(pieces):
                for claim in claims.read(piece):
                    with draft.measuring("verify"):
                        statement = self._checked(draft, claim, sources, question, ranked)
                    if statement:
                        yield statement
                if not draft.statements and _is_lost(claims, sources):
                    return

    def _checked(
        self, draft: _Draft, claim: Claim, sources: list[Excerpt], question: str, ranked: list[Sentence]
    ) -> Statement | None:
        if not 1 <= claim.source <= len(sources):
            return None
        hit = sources[claim.source - 1].hit
        span = proven(claim, hit, question)
        if span is None or not self._is_evidence(hit, span, ranked):
            return None
        return draft.state(claim.text, hit, span)

    def _is_evidence(self, hit: Hit, span: Span, ranked: list[Sentence]) -> bool:
        """Tell if the quoted place has a sentence that is likely enough to answer; passages may overlap."""
        if self.parameters.evidence_min == 0:
            return True
        start, end = hit.start + span.start, hit.start + span.end
        return any(
            sentence.probability >= self.parameters.evidence_min
            and sentence.hit.document.id == hit.document.id
            and sentence.hit.start + sentence.span.start < end
            and start < sentence.hit.start + sentence.span.end
            for sentence in ranked
        )


def _is_lost(claims: ClaimReader, sources: list[Excerpt]) -> bool:
    quote = claims.unfinished_quote()
    return quote is not None and all(is_made_up(quote, source.hit) for source in sources)


@dataclass(slots=True)
class _Draft:
    """An answer in the making."""

    statements: list[Statement] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    method: Literal["synthesis", "extraction", "none"] = "none"
    usage: Usage = field(default_factory=Usage)
    timings_ms: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def state(self, text: str, hit: Hit, span: Span) -> Statement | None:
        """Add a statement of the model's, unless it has said so before."""
        text = " ".join(text.split())
        if any(text.lower() in said.text.lower() for said in self.statements):
            return None
        self.method = "synthesis"
        return self._add(text, hit, span)

    def quote(self, sentence: Sentence) -> Statement:
        """Add a sentence of a document."""
        self.method = "extraction"
        return self._add(f"“{' '.join(sentence.text.split())}”", sentence.hit, sentence.span)

    def _add(self, text: str, hit: Hit, span: Span) -> Statement:
        citation = Citation(
            document=hit.document,
            chunk_id=hit.chunk_id,
            heading=hit.heading,
            quote=hit.text[span.start : span.end],
            start=hit.start + span.start,
            end=hit.start + span.end,
        )
        added = [] if citation in self.citations else [citation]
        self.citations += added
        statement = Statement(text=f"{text} [{self.citations.index(citation) + 1}]", citations=added)
        self.statements.append(statement)
        return statement

    async def timed(self, pieces: AsyncIterator[str | Usage]) -> AsyncIterator[str]:
        """Pass on the model's text, and keep its usage and the time it took."""
        while True:
            with self.measuring("model"):
                piece = await anext(pieces, None)
            match piece:
                case None:
                    return
                case Usage():
                    self.usage = piece
                case str():
                    self.usage = _one_more(self.usage)
                    yield piece

    def finished(self) -> Answer:
        self.timings_ms["total"] = round((time.perf_counter() - self.started) * 1000, 1)
        return Answer(
            answer=" ".join(statement.text for statement in self.statements) or INSUFFICIENT,
            citations=self.citations,
            insufficient_evidence=not self.statements,
            method=self.method,
            usage=self.usage,
            timings_ms=self.timings_ms,
        )

    def add_search_timings(self, timings_ms: dict[str, float]) -> None:
        self.timings_ms["embed"] = timings_ms.get("embed", 0.0)
        self.timings_ms["search"] = round(
            (time.perf_counter() - self.started) * 1000 - self.timings_ms["embed"], 1
        )

    @contextmanager
    def measuring(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            elapsed = (time.perf_counter() - began) * 1000
            self.timings_ms[stage] = round(self.timings_ms.get(stage, 0.0) + elapsed, 1)


def _one_more(usage: Usage) -> Usage:
    """Count a piece of text as a token: right for most engines, and the exact count follows if they may finish."""
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens + 1,
        total_tokens=usage.total_tokens + 1,
    )
