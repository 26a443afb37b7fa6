"""Gerrit's change query language, the part a gate and its tests use: text -> predicate."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.gerrit_model import Change, Status, Store
from tests.sandbox.gerrit_rules import Rules

Predicate = Callable[[Change], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<term>-?(?:[^\s()"{}:]+:)?(?:"[^"]*"|\{[^}]*\}|[^\s()"{}]+)))""",
    re.VERBOSE,
)
_OPERATOR = re.compile(r"[a-z_]+")
_AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGE = re.compile(r"^(\d+)\s*(s|m|h|d|w)[a-z]*$")
_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
DEFAULT_LIMIT = 500


class QueryError(Exception):
    """The query is not understood; the text is Gerrit's."""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """What to match, and at most how many rows (None: as many as the server likes)."""

    matches: Predicate
    limit: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Changes of one answer, newest update first, and whether there were more."""

    changes: list[Change]
    more: bool


def find_changes(
    store: Store, rules: Rules, text: str, now: int, start: int = 0, page_size: int = DEFAULT_LIMIT
) -> Page:
    """Run a query. Raises QueryError."""
    query = QueryParser(store, rules, text, now).parse()
    matching = sorted(
        (c for c in store.changes.values() if c.patch_sets and query.matches(c)),
        key=lambda c: (c.updated_at, c.sequence),
        reverse=True,
    )
    limit = min(query.limit or page_size, page_size)
    rows = matching[start : start + limit]
    return Page(rows, len(matching) > start + limit)


class QueryParser:
    """One query's text; a recursive descent over OR, AND and NOT."""

    def __init__(self, store: Store, rules: Rules, text: str, now: int) -> None:
        self._store = store
        self._rules = rules
        self._now = now
        self._tokens = _tokens(text)
        self._limit: int | None = None

    def parse(self) -> ParsedQuery:
        if not self._tokens:
            return ParsedQuery(lambda _change: True, None)
        predicate = self._either()
        if self._tokens:
            raise QueryError(f"line 1:0 no viable alternative at input '{self._tokens[0]}'")
        return ParsedQuery(predicate, self._limit)

    def _either(self) -> Predicate:
        parts = [self._all()]
        while self._tokens and self._tokens[0] == "OR":
            self._tokens.pop(0)
            parts.append(self._all())
        return lambda change: any(part(change) for part in parts)

    def _all(self) -> Predicate:
        parts = []
        while self._tokens and self._tokens[0] not in ("OR", ")"):
            if self._tokens[0] == "AND":
                self._tokens.pop(0)
                continue
            parts.append(self._one())
        if not parts:
            raise QueryError("line 1:0 no viable alternative at input '<EOF>'")
        return lambda change: all(part(change) for part in parts)

    def _one(self) -> Predicate:
        token = self._tokens.pop(0)
        if token == "NOT" or (token == "-" and self._tokens):
            inner = self._one()
            return lambda change: not inner(change)
        if token == "(":
            inner = self._either()
            if not self._tokens or self._tokens.pop(0) != ")":
                raise QueryError("line 1:0 mismatched input '<EOF>' expecting ')'")
            return inner
        if token.startswith("-") and len(token) > 1:
            positive = self._term(token[1:])
            return lambda change: not positive(change)
        return self._term(token)

    def _term(self, token: str) -> Predicate:
        operator, colon, value = token.partition(":")
        if not colon or not _OPERATOR.fullmatch(operator):
            return self._default(_unquoted(token))
        value = _unquoted(value)
        method = getattr(self, f"_is_{operator}", None)
        if method is None:
            raise QueryError(f"Unsupported operator {operator}:{value}")
        predicate: Predicate = method(value)
        return predicate

    # -- operators -----------------------------------------------------------------------------

    def _default(self, value: str) -> Predicate:
        """A bare word: number, Change-Id, revision, or text found nearly anywhere."""
        if value.isdigit():
            number = int(value)
            return lambda c: c.number == number
        if re.fullmatch(r"I[0-9a-f]{4,40}", value):
            return lambda c: c.change_id.startswith(value)
        if re.fullmatch(r"[0-9a-f]{7,40}", value):
            return self._is_commit(value)
        return self._is_message(value)

    def _is_change(self, value: str) -> Predicate:
        if value.isdigit():
            number = int(value)
            return lambda c: c.number == number
        if re.fullmatch(r"I[0-9a-f]{4,40}", value):
            return lambda c: c.change_id.startswith(value)
        parts = value.split("~")
        if len(parts) == 3:
            return lambda c: [c.project, c.branch, c.change_id] == parts
        raise QueryError("Invalid change format")

    def _is_commit(self, value: str) -> Predicate:
        numbers = {c.number for c, _ps in self._store.with_revision_prefix(value.lower())}
        return lambda c: c.number in numbers

    def _is_message(self, value: str) -> Predicate:
        """All words of `value`, next to each other, in the commit message."""
        wanted = [w.lower() for w in re.findall(r"\w+", value)]

        def matches(change: Change) -> bool:
            text = change.current.message.lower()
            # Cheap first: a real server has an index.
            if not all(word in text for word in wanted):
                return False
            words = re.findall(r"\w+", text)
            last = len(words) - len(wanted) + 1
            return any(words[i : i + len(wanted)] == wanted for i in range(last))

        return matches

    def _is_project(self, value: str) -> Predicate:
        return _text_or_pattern(value, lambda c: c.project)

    def _is_branch(self, value: str) -> Predicate:
        return _text_or_pattern(value.removeprefix("refs/heads/"), lambda c: c.branch)

    def _is_topic(self, value: str) -> Predicate:
        return _text_or_pattern(value, lambda c: c.topic or "")

    def _is_owner(self, value: str) -> Predicate:
        return lambda c: value in (c.owner.username, c.owner.email)

    def _is_status(self, value: str) -> Predicate:
        known: dict[str, Predicate] = {
            "open": lambda c: c.is_open,
            "pending": lambda c: c.is_open,
            "new": lambda c: c.is_open,
            "closed": lambda c: not c.is_open,
            "merged": lambda c: c.status is Status.MERGED,
            "abandoned": lambda c: c.status is Status.ABANDONED,
        }
        if value.lower() not in known:
            raise QueryError(f"Unrecognized value: {value}")
        return known[value.lower()]

    def _is_is(self, value: str) -> Predicate:
        if value == "submittable":
            return self._rules.is_submittable
        if value == "wip":
            return lambda c: c.wip
        return self._is_status(value)

    def _is_label(self, value: str) -> Predicate:
        found = re.fullmatch(r"([A-Za-z-]+)(?:(>=|<=|=|>|<)?([+-]?\d+|MAX|MIN))?", value)
        label = found and next(
            (lb for lb in self._store.labels.values() if lb.option == found[1].lower()), None
        )
        if not found or label is None:
            raise QueryError(f"Unsupported query:{value}")
        limits = {"MAX": label.highest, "MIN": label.lowest}
        wanted = limits[found[3]] if found[3] in limits else int(found[3])
        compare = _COMPARE[found[2] or "="]
        name = label.name
        return lambda c: any(
            a.label == name and compare(a.value, wanted) for a in c.current.approvals.values()
        )

    def _is_after(self, value: str) -> Predicate:
        since = _parse_date(value)
        return lambda c: c.updated_at >= since

    _is_since = _is_after

    def _is_before(self, value: str) -> Predicate:
        until = _parse_date(value)
        return lambda c: c.updated_at <= until

    _is_until = _is_before

    def _is_age(self, value: str) -> Predicate:
        """Not updated for so long."""
        found = _AGE.match(value)
        if not found:
            raise QueryError(f"Invalid age format: {value}")
        cut = self._now - int(found[1]) * _AGE_UNITS[found[2]]
        return lambda c: c.updated_at <= cut

    def _is_limit(self, value: str) -> Predicate:
        if not value.isdigit():
            raise QueryError(f"Invalid limit: {value}")
        if int(value) < 1:
            raise QueryError(f"limit must be positive: {value}")
        self._limit = int(value)
        return lambda _change: True

    def _is_resume_sortkey(self, value: str) -> Predicate:
        """Rows after the one with this sortKey, as servers before 2.9 paged."""
        try:
            last = int(value, 16)
        except ValueError as error:
            raise QueryError(f"Invalid sortkey: {value}") from error
        return lambda c: c.sequence < last


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found or found.end() == position:
            # An unpaired quote counts as a blank.
            position += 1
            continue
        tokens.append(found[0].strip())
        position = found.end()
    return tokens


def _unquoted(value: str) -> str:
    pairs = {'"': '"', "{": "}"}
    if len(value) >= 2 and pairs.get(value[0]) == value[-1]:
        return value[1:-1]
    return value


def _text_or_pattern(value: str, read: Callable[[Change], str]) -> Predicate:
    if not value.startswith("^"):
        return lambda c: read(c) == value
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise QueryError(f"invalid regular expression: {value}") from error
    return lambda c: pattern.fullmatch(read(c)) is not None


def _parse_date(value: str) -> int:
    text, _dot, _fraction = value.partition(".")
    for form in _DATES:
        try:
            return calendar.timegm(time.strptime(text, form))
        except ValueError:
            continue
    raise QueryError(f"Invalid date format: {value}")
