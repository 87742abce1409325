"""Read the statements out of what a model writes, each as soon as it is complete."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

STATEMENTS_MAX = 8

# Not the object around the statements: it is complete only at the end.
_INNER_OBJECT = re.compile(r'\{\s*"(?!statements")')
_QUOTE_BEGUN = re.compile(
    r'"quote"\s*:\s*"(?P<quote>(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)(?:\\u?[0-9a-fA-F]{0,3})?\Z'
)
_DECODER = json.JSONDecoder()


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


class ClaimReader:
    """Reads the claims in a growing JSON text. Whatever is no claim is passed over: a model that was not held to
    the schema writes fences and explanations around it."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0

    def read(self, piece: str) -> list[Claim]:
        """Return the claims that `piece` completes."""
        self._text += piece
        claims = []
        while begin := _INNER_OBJECT.search(self._text, self._at):
            try:
                value, self._at = _DECODER.raw_decode(self._text, begin.start())
            except json.JSONDecodeError:
                break  # not complete yet
            if claim := _claim(value):
                claims.append(claim)
        return claims

    def unfinished_quote(self) -> str | None:
        """Return the words so far of a quote that is being written, None if none is."""
        begun = _QUOTE_BEGUN.search(self._text, self._at)
        return str(json.loads(f'"{begun["quote"]}"')) if begun else None


def _claim(value: Any) -> Claim | None:
    match value:
        case {"source": int(source), "quote": str(quote), "text": str(text)}:
            return Claim(source, quote, text)
    return None
