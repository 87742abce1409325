"""What kind of thing a question asks for (a name, a sum, a date …), and whether a sentence holds one."""

from __future__ import annotations

import re
from collections.abc import Callable

from kit.text import terms
from rag_api.core.cues import numbers

COUNT_WORDS = 3
"""A count stands at most this many words before or behind what it counts: "25 days of paid vacation"."""

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DAYS = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_UNITS = r"(?:second|minute|hour|night|day|week|month|quarter|year)s?"
_NUMBER = (
    r"(?:\d[\d.,]*|an?|half|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty)"
)

_DATE = re.compile(
    rf"\b(?:{_DAYS}|(?:19|20)\d\d(?:-\d\d)*|end of|begin(?:ning)? of)\b|\b(?:{_MONTHS})\b", re.IGNORECASE
)
_CLOCK = re.compile(r"\b\d{1,2}:\d\d\b|\bnoon\b|\bmidnight\b|\bo'clock\b", re.IGNORECASE)
_SPAN = re.compile(rf"\b{_NUMBER}[ -](?:\w+ )?{_UNITS}\b", re.IGNORECASE)
_ORDINAL = re.compile(r"\b(?:\d+(?:st|nd|rd|th)|first|second|third|\w+th)\b", re.IGNORECASE)
_ALWAYS = re.compile(
    r"\b(?:never|always|at any time|daily|weekly|monthly|yearly|immediately)\b", re.IGNORECASE
)
_MONEY = re.compile(
    r"\b(?:eur|euros?|usd|dollars?|cents?|percent|free|nothing|paid by)\b|[€$£%]|_eur\b", re.IGNORECASE
)
_NAME = re.compile(r"\b[^\W\d_a-z][^\W\d_]+(?:[ -][^\W\d_a-z][^\W\d_]+)+\b")


def has_wanted(question: str, sentence: str) -> bool | None:
    """Tell if `sentence` holds the kind of thing that `question` asks for; None if that cannot be told."""
    for asks, holds in _KINDS:
        if match := asks.search(question):
            return holds(match, question, sentence)
    return None


def _has_name(_: re.Match[str], _question: str, sentence: str) -> bool | None:
    return bool(_NAME.search(sentence)) or None  # "customer care" is an answer too


def _has_past(_: re.Match[str], _question: str, sentence: str) -> bool:
    return bool(_DATE.search(sentence))


def _has_time(_: re.Match[str], _question: str, sentence: str) -> bool:
    return any(kind.search(sentence) for kind in (_DATE, _CLOCK, _SPAN, _ORDINAL, _ALWAYS))


def _has_money(_: re.Match[str], question: str, sentence: str) -> bool:
    return bool(_MONEY.search(sentence)) and (_has_number(question, sentence) or "free" in sentence.lower())


def _has_span(_: re.Match[str], question: str, sentence: str) -> bool | None:
    if _SPAN.search(sentence) or _DATE.search(sentence) or _CLOCK.search(sentence):
        return True
    return None if _has_number(question, sentence) else False  # "14 metres" is long too


def _has_count(asked: re.Match[str], question: str, sentence: str) -> bool | None:
    """Tell if a number stands beside the noun; if the sentence has another word for it, that cannot be told."""
    if not _has_number(question, sentence):
        return False
    noun = set(terms(asked["noun"]))
    words = re.findall(r"\w+(?:[.,:]\d+)*", sentence)
    places = [at for at, word in enumerate(words) if noun & set(terms(word))]
    if not places:
        return None
    return any(
        numbers(" ".join(words[max(0, at - COUNT_WORDS) : at + COUNT_WORDS + 1])) - numbers(question)
        for at in places
    )


def _has_amount(_: re.Match[str], question: str, sentence: str) -> bool:
    return _has_number(question, sentence)


def _has_number(question: str, sentence: str) -> bool:
    return bool(numbers(sentence) - numbers(question))


_Holds = Callable[[re.Match[str], str, str], bool | None]
_KINDS: tuple[tuple[re.Pattern[str], _Holds], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), holds)
    for pattern, holds in (
        (r"\bhow many (?P<noun>[^\W\d_]+)", _has_count),
        (r"\bhow (?:long|soon|early|late|old)\b|\bhow much time\b", _has_span),
        (r"\bwhen (?:was|were|did|had)\b", _has_past),
        (r"\bwhen\b|\b(?:what|which) (?:date|days?|time|year|month|weekday)\b", _has_time),
        (
            r"\b(?:cost|costs|price|salary|fee|charged?|sum|allowance)\b|\bhow much (?:money|do (?:we|i) pay)\b",
            _has_money,
        ),
        (r"\bhow (?:much|often|far|large|big|small|high|heavy|fast|few|deep)\b", _has_amount),
        (r"\b(?:temperature|age|share|percentage|limit|maximum|minimum|heaviest|number)\b", _has_amount),
        (r"\b(?:who|whom|whose)\b|\bwhich person\b", _has_name),
    )
)
