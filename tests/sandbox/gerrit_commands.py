"""`gerrit query`, `gerrit review`, `gerrit version`: command text -> exit code, stdout, stderr."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_model import Account, Change, Label, PatchSet, Store
from tests.sandbox.gerrit_query import QueryError, find_changes
from tests.sandbox.gerrit_reviews import Refused, Reviews
from tests.sandbox.gerrit_rows import QueryFlags, Rows, drop_keys
from tests.sandbox.gerrit_rules import Rules
from tests.sandbox.gerrit_submit import Submitter

VERSION = "3.9.4"
_REVISION = re.compile(r"^[0-9a-f]{4,40}$")
_NUMBERS = re.compile(r"^(\d+),(\d+)$")
REVIEW_ENDS = "fatal: one or more reviews failed; review output above"
NOTIFY = ("NONE", "OWNER", "OWNER_REVIEWERS", "ALL")


class UsageError(Exception):
    """The command cannot be carried out as given; the text follows `fatal: `."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command writes and how it ends."""

    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


def split_command(text: str) -> list[str]:
    """Words of a command by Gerrit's rules, which are not a shell's.

    Blanks and tabs part words, line feeds do not; single quotes keep everything, double quotes
    keep blanks, a backslash outside single quotes keeps the next character; empty words vanish.
    """
    words: list[str] = []
    word: list[str] = []
    single = double = escaped = False
    for character in text:
        if escaped:
            word.append(character)
            escaped = False
        elif character in " \t" and not single and not double:
            if word:
                words.append("".join(word))
            word = []
        elif character == '"' and not single:
            double = not double
        elif character == "'" and not double:
            single = not single
        elif character == "\\" and not single:
            escaped = True
        else:
            word.append(character)
    if escaped:
        word.append("\\")
    if word:
        words.append("".join(word))
    return words


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command; `names` are all its spellings, the long one first."""

    names: tuple[str, ...]
    takes_value: bool


@dataclass(slots=True)
class ParsedWords:
    """Options by their first name (the last one given counts, `all_values` has them all)."""

    values: dict[str, str] = field(default_factory=dict)
    all_values: dict[str, list[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)


def parse_words(words: list[str], options: list[Option]) -> ParsedWords:
    """Part options from arguments; raises UsageError in args4j's words."""
    known = {name: option for option in options for name in option.names}
    parsed = ParsedWords()
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            parsed.words += waiting
            break
        if not word.startswith("-") or word == "-":
            parsed.words.append(word)
            continue
        name, equals, value = word.partition("=")
        option = known.get(name) if equals else known.get(word)
        if option is None:
            raise UsageError(f'"{name}" is not a valid option')
        first = option.names[0]
        if not option.takes_value:
            parsed.flags.add(first)
            continue
        if not equals:
            if not waiting:
                aliases = "".join(f" ({n})" for n in option.names[1:])
                raise UsageError(f'Option "{first}{aliases}" takes an operand')
            value = waiting.pop(0)
        parsed.values[first] = value
        parsed.all_values.setdefault(first, []).append(value)
    return parsed


_QUERY_FLAGS = (
    "--all-approvals",
    "--comments",
    "--commit-message",
    "--current-patch-set",
    "--dependencies",
    "--files",
    "--patch-sets",
    "--submit-records",
    "--all-reviewers",
)
_QUERY_OPTIONS = [
    *(Option((name,), False) for name in _QUERY_FLAGS),
    Option(("--format",), True),
    Option(("--start", "-S"), True),
    Option(("--no-limit",), False),
]
_REVIEW_OPTIONS = [
    Option(("--project", "-p"), True),
    Option(("--branch", "-b"), True),
    Option(("--message", "-m"), True),
    Option(("--notify", "-n"), True),
    Option(("--label", "-l"), True),
    Option(("--tag", "-t"), True),
    Option(("--abandon",), False),
    Option(("--restore",), False),
    Option(("--submit", "-s"), False),
    Option(("--json", "-j"), False),
    # Taken and ignored, as old clients send it.
    Option(("--force-message",), False),
]


class Commands:
    """The commands of one server."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        rows: Rows,
        reviews: Reviews,
        submitter: Submitter,
        faults: Faults,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._rules = rules
        self._rows = rows
        self._reviews = reviews
        self._submitter = submitter
        self._faults = faults
        self._now = now

    def version(self) -> Answer:
        return Answer(stdout=f"gerrit version {VERSION if self._rows.modern else '2.6'}\n")

    # -- query ---------------------------------------------------------------------------------

    def query(self, words: list[str]) -> Answer:
        if self._faults.query_failures:
            code, text = self._faults.query_failures.pop(0)
            return Answer(code, stderr=text)
        try:
            parsed = parse_words(words, _QUERY_OPTIONS)
            start = self._checked_query(parsed)
        except UsageError as error:
            return Answer(1, stderr=f"fatal: {error}\n")
        flags = QueryFlags(**{_field(name): name in parsed.flags for name in _QUERY_FLAGS})
        lines = self._query_lines(" ".join(parsed.words), flags, start)
        cut = self._faults.query_cut_at
        text = "".join(line + "\n" for line in lines)
        return Answer(stdout=text if cut is None else text[:cut])

    def _checked_query(self, parsed: ParsedWords) -> int:
        if "--files" in parsed.flags and not {"--patch-sets", "--current-patch-set"} & parsed.flags:
            raise UsageError("--files option needs --patch-sets or --current-patch-set")
        if not parsed.words:
            raise UsageError('Argument "QUERY" is required')
        form = parsed.values.get("--format", "TEXT").upper()
        if form != "JSON":
            raise UsageError(f'"{form}" is not a valid value for "--format"')
        start = parsed.values.get("--start", "0")
        if not start.isdigit():
            raise UsageError(f'"{start}" is not a valid value for "--start (-S)"')
        return int(start)

    def _query_lines(self, text: str, flags: QueryFlags, start: int) -> list[str]:
        try:
            page = find_changes(self._store, self._rules, text, self._now(), start)
        except QueryError as error:
            return [_dump({"type": "error", "message": str(error)})]
        missing = self._faults.missing_keys
        rows = [drop_keys(self._rows.query_row(c, flags), missing) for c in page.changes]
        stats: dict[str, object] = {"type": "stats", "rowCount": len(rows)}
        stats["runTimeMilliseconds"] = 1
        if self._rows.modern:
            stats["moreChanges"] = page.more
        return [_dump(row) for row in (*rows, stats)]

    # -- review --------------------------------------------------------------------------------

    def review(self, words: list[str], by: Account) -> Answer:
        if self._faults.review_failures:
            code, text = self._faults.review_failures.pop(0)
            return Answer(code, stderr=text)
        try:
            request = self._parse_review(words)
        except UsageError as error:
            return Answer(1, stderr=f"fatal: {error}\n")
        errors = []
        for change, patch_set in request.targets:
            try:
                self._review_one(change, patch_set, by, request)
            except Refused as refusal:
                errors.append(f"error: fatal: {refusal}\n\n")
        if errors:
            return Answer(1, stderr="".join(errors) + REVIEW_ENDS + "\n")
        return Answer()

    def wants_submit(self, words: list[str]) -> bool:
        return "--submit" in words or "-s" in words

    def _parse_review(self, words: list[str]) -> ReviewRequest:
        labels = list(self._store.labels.values())
        own = [Option((f"--{label.option}",), True) for label in labels]
        parsed = parse_words(words, [*_REVIEW_OPTIONS, *own])
        if not parsed.words:
            raise UsageError('Argument "{COMMIT | CHANGE,PATCHSET}" is required')
        for one in ("--abandon", "--restore"):
            if {one, "--submit"} <= parsed.flags:
                raise UsageError(f"{one[2:]} and submit actions are mutually exclusive")
        if {"--json"} <= parsed.flags:
            raise UsageError("json is not supported by this server")
        notify = parsed.values.get("--notify", "ALL")
        if notify not in NOTIFY:
            raise UsageError(f'"{notify}" is not a valid value for "--notify"')
        project = parsed.values.get("--project")
        if project is not None and project not in self._store.projects:
            raise UsageError(f"project {project} not found")
        return ReviewRequest(
            [self._target(word, project) for word in parsed.words],
            parsed.values.get("--message", ""),
            self._votes(parsed, labels),
            parsed.values.get("--tag"),
            frozenset(parsed.flags),
        )

    def _votes(self, parsed: ParsedWords, labels: list[Label]) -> dict[str, int]:
        votes: dict[str, int] = {}
        for text in parsed.all_values.get("--label", ()):
            name, equals, value = text.rpartition("=")
            if not equals:
                raise UsageError(f"Label vote missing '=': {text}")
            votes[name] = _number(value)
        for label in labels:
            if f"--{label.option}" in parsed.values:
                votes[label.name] = _number(parsed.values[f"--{label.option}"])
        return votes

    def _target(self, word: str, project: str | None) -> tuple[Change, PatchSet]:
        """What `N,PS` or a commit names."""
        numbers = _NUMBERS.match(word)
        if numbers:
            change = self._store.changes.get(int(numbers[1]))
            if change is None and project is None:
                raise UsageError(f'"{numbers[1]}" no such change')
            if change is None or project not in (None, change.project):
                # The wording is Gerrit's own, though no database is involved.
                raise UsageError("database error")
            patch_set = change.patch_set(int(numbers[2]))
            if patch_set is None:
                raise UsageError(f'"{word}" no such patch set')
            return change, patch_set
        if not _REVISION.match(word) or word.isdigit():
            raise UsageError(f'"{word}" is not a valid patch set')
        found = [
            pair
            for pair in self._store.with_revision_prefix(word)
            if project is None or pair[0].project == project
        ]
        if not found:
            raise UsageError(f'"{word}" no such patch set')
        if len(found) > 1:
            raise UsageError(f'"{word}" matches multiple patch sets')
        return found[0]

    def _review_one(
        self, change: Change, patch_set: PatchSet, by: Account, request: ReviewRequest
    ) -> None:
        if "--abandon" in request.flags:
            self._reviews.abandon(change, by, request.message)
            return
        if "--restore" in request.flags:
            self._reviews.restore(change, by, request.message)
            return
        if request.message or request.votes:
            votes: Mapping[str, int] = request.votes
            self._reviews.review(change, patch_set, by, request.message, votes, request.tag)
        if "--submit" in request.flags:
            self._submitter.submit(change, patch_set, by)


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A review command, understood."""

    targets: list[tuple[Change, PatchSet]]
    message: str
    votes: dict[str, int]
    tag: str | None
    flags: frozenset[str]


def _field(option: str) -> str:
    return option[2:].replace("-", "_")


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise UsageError(f'For input string: "{text}"')
    return int(text)


def _dump(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))
