"""The errors that a caller may see. Each carries its HTTP status and a stable code.

    AppError
    ├── BadRequest        400 bad_request        the request cannot be understood
    ├── Unauthenticated   401 unauthenticated    no token, or one that does not hold
    ├── Forbidden         403 forbidden          a good token without the right
    ├── NotFound          404 not_found          also: there, but not for this caller
    ├── Conflict          409 conflict
    ├── TooLarge          413 too_large
    ├── Unprocessable     422 invalid_request    the shape is right JSON but not what the route takes
    ├── RateLimited       429 rate_limited       retry_after_seconds tells when
    ├── Misbehaved        502 upstream_error     a dependency answered nonsense
    └── Unavailable       503 unavailable        a dependency is down; retrying can help
        └── Overloaded    503 overloaded         this process has too much to do

Subclass next to the code that raises, with a `code` of its own:

    class CollectionNotFound(NotFound):
        code = "collection_not_found"
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """An error with an HTTP status, a stable `code` and a sentence for the caller.

    `detail` is shown to the caller: name the cause and the way out, and never a secret.
    `retry_after_seconds` becomes the header Retry-After.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 problem object."""
        return {
            "type": f"urn:slipway:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    def openai(self) -> dict[str, Any]:
        """Return OpenAI's error object, for the routes that have OpenAI's shape."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.detail, "type": kind, "param": None, "code": self.code}}


class BadRequest(AppError):
    status, code, title = 400, "bad_request", "Bad request"


class Unauthenticated(AppError):
    status, code, title = 401, "unauthenticated", "Not signed in"


class Forbidden(AppError):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(AppError):
    status, code, title = 404, "not_found", "Not found"


class Conflict(AppError):
    status, code, title = 409, "conflict", "Conflict"


class TooLarge(AppError):
    status, code, title = 413, "too_large", "Too large"


class Unprocessable(AppError):
    status, code, title = 422, "invalid_request", "Invalid request"


class RateLimited(AppError):
    status, code, title = 429, "rate_limited", "Too many requests"


class Misbehaved(AppError):
    status, code, title = 502, "upstream_error", "A dependency gave a bad answer"


class Unavailable(AppError):
    """A dependency is down; subclasses say which: postgres_unavailable, model_unavailable …"""

    status, code, title = 503, "unavailable", "A dependency is unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class Overloaded(Unavailable):
    code, title = "overloaded", "Too much to do"
