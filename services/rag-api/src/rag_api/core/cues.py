"""What kind of answer a question asks for, and whether a sentence holds one: a number, a name, or anything."""

from __future__ import annotations

import re

from kit.text import terms

_AMOUNT = re.compile(
    r"\bhow (?:many|much|long|often|old|far|large|big|small|high|heavy|late|early|soon|expensive|fast|few|deep)\b"
    r"|\bwhen\b|\b(?:what|which) (?:date|day|days|time|year|month|sum|amount|share|percentage|price|temperature|age)\b"
    r"|\buntil when\b|\b(?:price|cost|costs|salary|limit|deadline|maximum|minimum|most|least)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:who|whom|whose)\b|\bwhich person\b", re.IGNORECASE)

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
_NAME = re.compile(r"\b[^\W\d_a-z][^\W\d_]+(?:[ -][^\W\d_a-z][^\W\d_]+)+\b")
_TIME = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september"
    r"|october|november|december|noon|midnight|never|always|daily|weekly|monthly|yearly)s?\b",
    re.IGNORECASE,
)


def numbers(text: str) -> set[str]:
    """Return the numbers in `text`, number words as figures, thousands without their commas."""
    figures = {_plain(figure) for figure in _FIGURE.findall(text)}
    words = {NUMBER_WORDS[word] for word in map(str.lower, _WORD.findall(text)) if word in NUMBER_WORDS}
    return figures | words


def has_wanted(question: str, sentence: str) -> bool | None:
    """Tell if `sentence` holds the kind of thing that `question` asks for; None if it asks for no such kind."""
    if _PERSON.search(question):
        return bool(_NAME.search(sentence))
    if _AMOUNT.search(question):
        new = numbers(sentence) - numbers(question)
        return bool(new or (_TIME.search(sentence) and "when" in question.lower()))
    return None


def _plain(figure: str) -> str:
    return re.sub(r",(?=\d{3}\b)", "", figure)


_FOCUS = re.compile(r"\b(?:which|what|how many)\s+([^\W\d_]+)", re.IGNORECASE)
# Not a noun, or one that an answer leaves out: "on which day?" - "on Friday".
_NO_FOCUS = frozenset(
    """
    a am amount an are can could date day days did do does exactly had happens has have hour hours i is it kind makes
    may minute minutes month months must name number of our percent percentage person people price share should sort
    sum the time to was we week weeks were will would year years you
    """.split()  # noqa: SIM905
)


def focus(question: str) -> list[str]:
    """Return the search terms of the nouns behind "which", "what", "how many": an answer speaks of them."""
    nouns = [word for word in _FOCUS.findall(question) if word.lower() not in _NO_FOCUS]
    return [term for noun in nouns for term in terms(noun)]
