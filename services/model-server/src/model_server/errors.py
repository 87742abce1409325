"""What a caller can get wrong, and what can go wrong here, in OpenAI's words where it has them."""

from __future__ import annotations

from typing import Any

from kit.errors import AppError, BadRequest, Misbehaved, NotFound, Unauthenticated, Unavailable


class InvalidRequest(BadRequest):
    """400 with the name of the field that is wrong. `code` replaces the class's code for this error."""

    code = "invalid_request"

    def __init__(self, detail: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.param = param
        self._code = code or type(self).code

    def openai(self) -> dict[str, Any]:
        body = super().openai()
        body["error"] |= {"param": self.param, "code": self._code}
        return body


class ContextLengthExceeded(InvalidRequest):
    """The input is longer than the model takes; the numbers say by how much."""

    code = "context_length_exceeded"

    def __init__(self, *, tokens: int, tokens_max: int, param: str, what: str) -> None:
        super().__init__(
            f"This model's maximum context length is {tokens_max} tokens. However, {what} resulted in "
            f"{tokens} tokens. Please reduce the length.",
            param=param,
        )


class UnsupportedMediaType(AppError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class ModelNotFound(NotFound):
    code = "model_not_found"


class InvalidApiKey(Unauthenticated):
    code = "invalid_api_key"


class ModelFailed(Misbehaved):
    """The engine answered with an error that is not the caller's."""

    code = "model_error"


class ModelUnavailable(Unavailable):
    """The engine does not answer."""

    code = "model_unavailable"


class RequestTimedOut(Unavailable):
    """The time for one request is over; another try may find the server less busy."""

    code = "timeout"


class ModelNotLoaded(Exception):
    """A model cannot be loaded. The message says which, why, and what to do; the process must end."""
