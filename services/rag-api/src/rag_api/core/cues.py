"""Numbers in a text, in words or figures, and the nouns that a question is about."""

from __future__ import annotations

import re

from kit.text import terms

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_MORE_UNITS = "seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(f"{_UNITS} {_MORE_UNITS}".split())}
    | {word: str(value * 10) for value, word in enumerate(_TENS.split(), start=2)}
    | {word: str(value) for value, word in enumerate(_ORDINALS.split())}
    | {"twice": "2", "once": "1", "half": "0.5", "hundred": "100", "thousand": "1000", "million": "1000000"}
)
"""English number words and their figures."""

_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")

_FOCUS = re.compile(r"\b(?:which|what|how many)\s+([^\W\d_]+)", re.IGNORECASE)
# Not a noun, or one that an answer leaves out: "on which day?" - "on Friday".
_NO_FOCUS = frozenset(
    """
    a am amount an are can could date day days did do does exactly had happens has have hour hours i is it kind makes
    may minute minutes month months must name number of our percent percentage person people price share should sort
    sum the time to was we week weeks were will would year years you
    """.split()  # noqa: SIM905
)


def numbers(text: str) -> set[str]:
    """Return the numbers in `text`, number words as figures, thousands without their commas."""
    figures = {_plain(figure) for figure in _FIGURE.findall(text)}
    words = {NUMBER_WORDS[word] for word in map(str.lower, _WORD.findall(text)) if word in NUMBER_WORDS}
    return figures | words


def _plain(figure: str) -> str:
    return re.sub(r",(?=\d{3}\b)", "", figure)


def focus(question: str) -> list[str]:
    """Return the search terms of the nouns behind "which", "what", "how many": an answer speaks of them."""
    nouns = [word for word in _FOCUS.findall(question) if word.lower() not in _NO_FOCUS]
    return [term for noun in nouns for term in terms(noun)]
