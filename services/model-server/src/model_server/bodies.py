"""Reads a request's JSON body into a pydantic model, with OpenAI's errors."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from model_server.errors import InvalidRequest, UnsupportedMediaType

PROBLEMS_SHOWN = 3

Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, model: type[Body]) -> Body:
    """Return the body as a `model`.

    Errors: UnsupportedMediaType; InvalidRequest, whose `param` is the first wrong field.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(f"The body must be application/json, not {media_type or 'untyped'}.")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidRequest:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        return InvalidRequest(f"The body is not valid JSON: {first['msg']}.", code="malformed_json")
    sentences = [f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems[:PROBLEMS_SHOWN]]
    return InvalidRequest("; ".join(sentences) + ".", param=str(first["loc"][0]) if first["loc"] else None)


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path) or "body"
