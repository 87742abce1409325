"""Read the statements out of what a model writes, each as soon as it is complete."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

STATEMENTS_MAX = 8

# Not the object around the statements: it is complete only at the end.
_INNER_OBJECT = re.compile(r'\{\s*"(?!statements")')


@dataclass(frozen=True, slots=True)
class Claim:
    """What a model says: a sentence, and the words of a source that are to prove it. Not checked."""

    source: int
    """Number of the passage in the prompt, from 1."""
    quote: str
    text: str


def answer_schema(sources: int) -> dict[str, Any]:
    """Return the JSON schema of a model's answer over passages 1 … `sources`. The quote comes first:
    the model then writes its sentence with the evidence before its eyes."""
    claim = {
        "type": "object",
        "properties": {
            "source": {"type": "integer", "enum": list(range(1, sources + 1))},
            "quote": {"type": "string"},
            "text": {"type": "string"},
        },
        "required": ["source", "quote", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"statements": {"type": "array", "items": claim, "maxItems": STATEMENTS_MAX}},
        "required": ["statements"],
        "additionalProperties": False,
    }


async def read_claims(pieces: AsyncIterator[str]) -> AsyncIterator[Claim]:
    """Yield the claims in a growing JSON text. Whatever is no claim is passed over: a model that was not held
    to the schema writes fences and explanations around it."""
    decoder = json.JSONDecoder()
    buffer = ""
    at = 0
    async for piece in pieces:
        buffer += piece
        while begin := _INNER_OBJECT.search(buffer, at):
            try:
                value, at = decoder.raw_decode(buffer, begin.start())
            except json.JSONDecodeError:
                break  # not complete yet
            claim = _claim(value)
            if claim:
                yield claim


def _claim(value: Any) -> Claim | None:
    match value:
        case {"source": int(source), "quote": str(quote), "text": str(text)}:
            return Claim(source, quote, text)
    return None
