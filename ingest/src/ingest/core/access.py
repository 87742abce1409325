"""Who may read a document: the first rule of access.toml that matches its path, else the run's default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.core.documents import Allow, BrokenAccessRules

FILE = "access.toml"
_ENTRY = re.compile(r"tenant|(group|user):\S+")


@dataclass(frozen=True, slots=True)
class Rule:
    """Documents whose path matches may be read by `allow`."""

    glob: str
    pattern: re.Pattern[str]
    allow: Allow


def allow_list(entries: Iterable[str]) -> Allow:
    """Return a sorted access list. Errors: ValueError for what is no entry, or for none at all."""
    unique = sorted(set(entries))
    for entry in unique:
        if not _ENTRY.fullmatch(entry):
            raise ValueError(f"{entry!r} is no access entry: write tenant, group:NAME or user:NAME")
    if not unique:
        raise ValueError("an access list needs an entry: tenant, group:NAME or user:NAME")
    return tuple(unique)


def parse_rules(text: str) -> list[Rule]:
    """Return the rules in their order. Errors: BrokenAccessRules, naming the rule."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BrokenAccessRules(f"{FILE} is not valid TOML: {error}. Nothing was ingested.") from error
    rules = table.pop("rule", [])
    if table or not isinstance(rules, list):
        raise BrokenAccessRules(f"{FILE} may hold [[rule]] tables and nothing else. Nothing was ingested.")
    return [_rule(number, rule) for number, rule in enumerate(rules, start=1)]


def allow_for(path: str, rules: Sequence[Rule], default: Allow) -> Allow:
    """Return the access list of a document."""
    return next((rule.allow for rule in rules if rule.pattern.fullmatch(path)), default)


def unmatched(rules: Sequence[Rule], paths: Sequence[str]) -> list[Rule]:
    """Return the rules that match none of the paths: a misspelt one would leave documents to the default."""
    return [rule for rule in rules if not any(rule.pattern.fullmatch(path) for path in paths)]


def _rule(number: int, rule: Any) -> Rule:
    match rule:
        case {"match": str(glob), "allow": [*entries]} if len(rule) == 2 and glob:
            try:
                return Rule(str(glob), _pattern(glob), allow_list(str(entry) for entry in entries))
            except ValueError as error:
                raise BrokenAccessRules(f"{FILE}, rule {number}: {error}. Nothing was ingested.") from error
    raise BrokenAccessRules(
        f'{FILE}, rule {number}: a rule has match = "GLOB" and allow = ["ENTRY", …], and nothing else.'
        " Nothing was ingested."
    )


def _pattern(glob: str) -> re.Pattern[str]:
    """`**` crosses folders, `*` and `?` do not, `**/` also matches no folder at all."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(pieces.get(part, re.escape(part)) for part in parts), re.DOTALL)
