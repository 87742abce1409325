"""The chat model, asked through LlamaIndex. Nothing else here knows LlamaIndex.

Importing it takes seconds, so it is imported on first use, or before it by `warm_up`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import PrivateAttr

from kit.contracts.documents import Usage
from kit.errors import Misbehaved, Unavailable
from rag_api.core.excerpts import CHARACTERS_PER_TOKEN
from rag_api.core.statements import answer_schema

if TYPE_CHECKING:
    from llama_index.core.prompts import ChatPromptTemplate
    from llama_index.core.response_synthesizers import BaseSynthesizer
    from llama_index.core.schema import NodeWithScore
    from llama_index.llms.openai_like import OpenAILike

CONTEXT_TOKENS = 1_000_000
"""The core has cut the passages to size: LlamaIndex must not cut them again and ask twice."""


class ModelUnavailable(Unavailable):
    code = "model_unavailable"


class ModelMisbehaved(Misbehaved):
    code = "model_error"


class LlamaIndexWriter:
    """Lets an OpenAI-compatible chat model write an answer from passages."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout_seconds: float = 120,
        tokens_max: int = 80,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._model = model
        self._api_key = api_key
        self._tokens_max = tokens_max
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(timeout=timeout_seconds, headers=headers, transport=transport)

    async def write(self, question: str, passages: Sequence[str]) -> AsyncGenerator[str | Usage, None]:
        """Yield about what the prompt takes, the model's text in pieces as it comes, then what it used.

        Errors: ModelUnavailable (retryable), ModelMisbehaved.
        """
        import openai

        await asyncio.to_thread(warm_up)
        llm = self._llm(sources=len(passages))
        yield _estimate(question, passages)
        try:
            response: Any = await _synthesizer(llm).asynthesize(question, _nodes(passages))
            async with aclosing(response.response_gen) as pieces:
                async for piece in pieces:
                    if piece:
                        yield piece
        except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError) as error:
            raise ModelUnavailable(f"The chat model at {self._base_url} does not answer.") from error
        except httpx.HTTPError as error:
            raise ModelUnavailable(f"The chat model at {self._base_url} stopped answering.") from error
        except openai.OpenAIError as error:
            raise ModelMisbehaved(f"The chat model at {self._base_url} refused: {error}") from error
        yield llm.usage

    async def ping(self) -> None:
        """Return if the model's endpoint answers. Errors: ModelUnavailable."""
        try:
            (await self._client.get(f"{self._base_url.rstrip('/')}/models")).raise_for_status()
        except httpx.HTTPError as error:
            raise ModelUnavailable(f"The chat model at {self._base_url} does not answer.") from error

    async def aclose(self) -> None:
        await self._client.aclose()

    def _llm(self, *, sources: int) -> Any:
        schema = {"name": "answer", "strict": True, "schema": answer_schema(sources)}
        return _metered_llm()(
            model=self._model,
            api_base=self._base_url,
            api_key=self._api_key or "none",
            is_chat_model=True,
            context_window=CONTEXT_TOKENS,
            max_tokens=self._tokens_max,
            temperature=0.0,
            max_retries=0,
            async_http_client=self._client,
            additional_kwargs={
                "response_format": {"type": "json_schema", "json_schema": schema},
                "stream_options": {"include_usage": True},
            },
        )


@cache
def warm_up() -> None:
    """Import LlamaIndex and read the prompts. Done once."""
    _metered_llm()
    _prompt()


@cache
def _metered_llm() -> type[OpenAILike]:
    from llama_index.core.base.llms.types import ChatMessage, ChatResponseAsyncGen
    from llama_index.llms.openai_like import OpenAILike

    # LlamaIndex's integrations come without types.
    class MeteredLLM(OpenAILike):  # type: ignore[misc]
        """Keeps the usage that the endpoint reports: LlamaIndex's streams hand on the text alone."""

        _usage: Usage = PrivateAttr(default_factory=Usage)

        @property
        def usage(self) -> Usage:
            return self._usage

        async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
            responses = await super().astream_chat(messages, **kwargs)

            async def metered() -> ChatResponseAsyncGen:
                async with aclosing(responses):
                    async for response in responses:
                        if reported := getattr(response.raw, "usage", None):
                            self._usage = Usage.model_validate(reported, from_attributes=True)
                        yield response

            return metered()

    return MeteredLLM


@cache
def _prompt() -> ChatPromptTemplate:
    from llama_index.core.base.llms.types import ChatMessage, MessageRole
    from llama_index.core.prompts import ChatPromptTemplate

    folder = files("rag_api") / "prompts"
    # The system message comes first and never changes: an engine's prompt cache then holds it.
    return ChatPromptTemplate(
        [
            ChatMessage(content=(folder / "system.md").read_text("utf-8").strip(), role=MessageRole.SYSTEM),
            ChatMessage(content=(folder / "user.md").read_text("utf-8").strip(), role=MessageRole.USER),
        ]
    )


def _estimate(question: str, passages: Sequence[str]) -> Usage:
    """Guess the prompt's tokens: the endpoint tells them at the end, which is not awaited if the text is no use."""
    read = [question, *passages, *(message.content or "" for message in _prompt().message_templates)]
    tokens = sum(map(len, read)) // CHARACTERS_PER_TOKEN
    return Usage(prompt_tokens=tokens, total_tokens=tokens)


def _synthesizer(llm: OpenAILike) -> BaseSynthesizer:
    from llama_index.core.response_synthesizers import CompactAndRefine

    return CompactAndRefine(llm=llm, text_qa_template=_prompt(), streaming=True)


def _nodes(passages: Sequence[str]) -> list[NodeWithScore]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text)) for text in passages]
