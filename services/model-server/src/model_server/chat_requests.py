"""The body of POST /v1/chat/completions: what is taken, its types and its limits.

OpenAI's parameters that change the answer are taken or refused. Others (`user`, `metadata`, `store` …) are
ignored. `top_k`, `min_p`, `repeat_penalty` and `chat_template_kwargs` are llama.cpp's own and passed on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

INT64 = 2**63


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class TextPart(_Wire):
    """Part of a message. These models read text only."""

    type: Literal["text"]
    text: str


class Message(_Wire):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Message:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is missing; only an assistant's message with tool_calls may have none")
        return self


class StreamOptions(_Wire):
    include_usage: bool = False


class TextFormat(_Wire):
    type: Literal["text"]


class JsonObjectFormat(_Wire):
    type: Literal["json_object"]


class JsonSchema(_Wire):
    name: str
    definition: dict[str, Any] = Field(alias="schema")


class JsonSchemaFormat(_Wire):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class Function(_Wire):
    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})


class Tool(_Wire):
    type: Literal["function"]
    function: Function


class FunctionName(_Wire):
    name: str


class NamedTool(_Wire):
    """Asks for a call of this one function."""

    type: Literal["function"]
    function: FunctionName


class ChatRequest(_Wire):
    """A request that can be sent to the engine; everything else has been refused by validation."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=4096)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    max_tokens: int | None = Field(None, ge=1, lt=INT64)
    max_completion_tokens: int | None = Field(None, ge=1, lt=INT64)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    logit_bias: dict[str, float] | None = None
    response_format: (
        Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None
    ) = None
    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    min_p: float | None = Field(None, ge=0, le=1)
    repeat_penalty: float | None = Field(None, ge=0, le=2)
    chat_template_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_the_tool(self) -> ChatRequest:
        if isinstance(self.tool_choice, NamedTool) and not self._chosen_tools():
            raise ValueError(f"tool_choice: there is no function `{self.tool_choice.function.name}` in tools")
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with an event that has the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def uses_tools(self) -> bool:
        """Whether the model needs to understand tools for this request."""
        past_calls = any(message.role == "tool" or message.tool_calls for message in self.messages)
        return past_calls or (bool(self.tools) and self.tool_choice != "none")

    def engine_body(self, *, system_message: str | None = None) -> dict[str, Any]:
        """Return the body for llama.cpp. `system_message` leads if the request begins with none."""
        body = self.model_dump(
            by_alias=True,
            exclude_none=True,
            exclude={"model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"},
        )
        limit = self.max_completion_tokens or self.max_tokens
        if limit:
            # llama.cpp counts in 32 bits; the context ends an answer long before that.
            body["max_tokens"] = min(limit, 2**31 - 1)
        if isinstance(self.tool_choice, NamedTool):  # llama.cpp takes a name for "auto"
            body |= {"tools": self._chosen_tools(), "tool_choice": "required"}
        if self.seed is not None:
            body["seed"] = self.seed % 2**32
        if system_message and self.messages[0].role not in {"system", "developer"}:
            body["messages"].insert(0, {"role": "system", "content": system_message})
        return body

    def _chosen_tools(self) -> list[dict[str, Any]]:
        """Return the tool that tool_choice names; all if it names none."""
        name = self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None
        tools = [tool for tool in self.tools or [] if name in {None, tool.function.name}]
        return [tool.model_dump(exclude_none=True) for tool in tools]
