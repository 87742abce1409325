"""llama.cpp in this process, spoken to over its own HTTP API on a private Unix socket.

Requests always stream, with progress reports while the prompt is read: llama.cpp notices that a request was
given up only when it writes, so a silent request could not be cancelled.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import structlog

from model_server.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelFailed,
    ModelNotLoaded,
    ModelUnavailable,
    RequestTimedOut,
)
from model_server.gguf import NotGguf, context_length, read_metadata
from model_server.recode import recode

log = structlog.get_logger()

BATCH_TOKENS = 256
"""Prompt tokens read at once: bounds how long a cancelled request still computes, and costs no speed on a CPU."""

CONNECT_TIMEOUT_SECONDS = 5

Chunk = dict[str, Any]
"""One `chat.completion.chunk`."""


@dataclass(frozen=True, slots=True)
class ChatModel:
    """Which model to load, and with how much of the machine."""

    path: Path
    name: str
    threads: int
    slots: int
    context_tokens: int
    prompt_cache_mib: int
    template: str | None = None
    recode: bool = False
    """Serve the weights as Q8_0 where the file has them as Q4_1 (see `model_server.recode`)."""


class ChatEngine:
    """A loaded chat model. `close` frees it."""

    def __init__(self, model: ChatModel) -> None:
        """Load the model, which takes about a second per gigabyte and blocks every Python thread.

        Errors: ModelNotLoaded.
        """
        self.name = model.name
        self.slots = model.slots
        self._folder = tempfile.TemporaryDirectory(prefix="model-server-")
        socket = str(Path(self._folder.name) / "llama.sock")
        key = secrets.token_urlsafe()
        path = _recoded(model.path, Path(self._folder.name)) if model.recode else model.path
        self._server: Any = _load(model, path, socket=socket, key=key)
        if path != model.path:
            path.unlink()  # llama.cpp has mapped it, and a process that is killed must not leave it behind
        options: dict[str, Any] = {"base_url": "http://llama", "headers": {"authorization": f"Bearer {key}"}}
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket), timeout=30, **options) as client:
            properties = client.get("/props").raise_for_status().json()
        self.context_tokens: int = properties["default_generation_settings"]["n_ctx"]
        self.supports_tools: bool = properties["chat_template_caps"]["supports_tools"]
        # No pool limit: the routes bound how many requests are under way. The deadline is the only timeout.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=model.slots)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket, limits=limits),
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),
            **options,
        )

    async def stream(self, body: dict[str, Any], *, timeout_seconds: float) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's chunks; the last one has no choices but the usage. Closing it cancels the request.

        Errors: ContextLengthExceeded, InvalidRequest, ModelFailed, ModelUnavailable, RequestTimedOut.
        """
        body = body | {"stream": True, "return_progress": True, "stream_options": {"include_usage": True}}
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        request = self._client.build_request("POST", "/v1/chat/completions", json=body)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise ModelUnavailable("The chat model does not answer.") from error
        except TimeoutError as error:
            raise _timed_out(timeout_seconds) from error
        try:
            chunks = _chunks(response)
            while True:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk
        except httpx.HTTPError as error:
            raise ModelUnavailable("The chat model stopped answering.") from error
        except TimeoutError as error:
            raise _timed_out(timeout_seconds) from error
        finally:
            await response.aclose()

    async def check(self) -> None:
        """Return if llama.cpp answers; raise ModelUnavailable if not."""
        try:
            (await self._client.get("/health")).raise_for_status()
        except httpx.HTTPError as error:
            raise ModelUnavailable("The chat model does not answer.") from error

    def close(self) -> None:
        """Stop llama.cpp and free the model."""
        self._server = None
        self._folder.cleanup()


async def _chunks(response: httpx.Response) -> AsyncGenerator[Chunk, None]:
    if response.status_code != 200:
        await response.aread()
        raise _failure(response.json().get("error", {}))
    finished = False
    async for line in response.aiter_lines():
        if not line.startswith("data: "):  # blank lines and keep-alive comments
            continue
        if line == "data: [DONE]":
            finished = True
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise _failure(chunk["error"])
        if "prompt_progress" not in chunk:
            yield chunk
    if not finished:
        raise ModelFailed("The chat model broke off its answer.")


def _failure(error: dict[str, Any]) -> Exception:
    message = str(error.get("message", error))
    if error.get("type") == "exceed_context_size_error":
        return ContextLengthExceeded(
            tokens=error["n_prompt_tokens"],
            tokens_max=error["n_ctx"],
            param="messages",
            what="your messages",
        )
    if "grammar" in message or "JSON schema" in message:
        return InvalidRequest(
            f"The JSON schema cannot be used: {message}", param="response_format", code="invalid_json_schema"
        )
    if error.get("code") == 400:
        return InvalidRequest(message)
    return ModelFailed(f"The chat model failed: {message}")


def _timed_out(seconds: float) -> RequestTimedOut:
    return RequestTimedOut(f"The answer took longer than {seconds:g} seconds.")


def _recoded(path: Path, folder: Path) -> Path:
    """Return a copy of the file that reads prompts faster; the file itself if there is no room for one."""
    copy = folder / path.name
    try:
        recode(path, copy)
    except OSError as error:
        log.warning("weights_not_recoded", error=str(error), effect="prompts are read at half the speed")
        copy.unlink(missing_ok=True)
        return path
    return copy


def _load(model: ChatModel, path: Path, *, socket: str, key: str) -> Any:
    try:
        trained_tokens = context_length(read_metadata(path))
    except (OSError, NotGguf) as error:
        raise ModelNotLoaded(f"The chat model {model.path} cannot be read: {error}") from error
    # OpenMP's threads spin while they wait for each other. When other processes want the cores too, as they do
    # on a laptop, that makes generation up to ten times slower. It is read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {model.name}
    parameters.hostnames = [socket]
    parameters.api_keys = [key]
    parameters.ui = False
    parameters.endpoint_props = True
    parameters.verbosity = 0
    parameters.fit_params = False
    parameters.prefill_assistant = False
    parameters.cache_prompt = True
    parameters.cache_ram_mib = model.prompt_cache_mib
    parameters.n_parallel = model.slots
    parameters.n_ctx = model.slots * min(model.context_tokens, trained_tokens or model.context_tokens)
    parameters.n_batch = BATCH_TOKENS
    parameters.n_ubatch = BATCH_TOKENS
    parameters.cpuparams.n_threads = model.threads
    parameters.cpuparams_batch.n_threads = model.threads
    if model.template:
        parameters.chat_template = model.template
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ModelNotLoaded(
            f"llama.cpp cannot load {model.path}. The file may be incomplete, of an architecture newer than this "
            f"llama.cpp, or larger than the memory; MODEL_SERVER_CHAT_CONTEXT_TOKENS={model.context_tokens} and "
            f"MODEL_SERVER_CHAT_SLOTS={model.slots} take memory too."
        ) from error
