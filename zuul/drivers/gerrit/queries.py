"""Look-ups: many ask, a few workers query, and what waits travels in one query.

An idle worker takes a look-up at once; when all are busy, those that wait are joined with OR. So a
lone event is answered in one round trip, and a flood costs queries by the batch, not by the event.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Protocol

from zuul.drivers.gerrit.commandline import build_query
from zuul.drivers.gerrit.connection import CommandResult
from zuul.drivers.gerrit.fields import Json
from zuul.drivers.gerrit.records import Row, parse_row
from zuul.drivers.gerrit.rest import Requirements, Rest
from zuul.errors import ChangeNotFound, ConnectionLost, DriverError, HostKeyRejected
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.GerritConnection")

#: threads that query, each with an SSH login of its own
QUERY_THREADS = 8
#: look-ups joined in one query
BATCH_TERMS = 25
QUERY_SECONDS = 60.0
#: how long a look-up may take in all, waiting and retrying included
ANSWER_SECONDS = 150.0
MAX_PAGES = 40
STOP_SECONDS = 5.0
#: between two log lines on submit requirements that cannot be had
COMPLAINT_SECONDS = 60.0
MAX_WAITING = 100_000

_NUMBER = re.compile(r"[0-9]{1,18}")
_PLAIN_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_CHANGE_ID = re.compile(r"I[0-9a-f]{40}")


class Runner(Protocol):
    """A connection that runs commands for one thread."""

    def run(
        self, command: str, *, timeout_seconds: float = ..., idempotent: bool = ...
    ) -> CommandResult: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Term:
    """One look-up: by number, by Change-Id, for the messages that name a Change-Id, or for the
    open changes of a project."""

    operator: str
    value: str

    def __str__(self) -> str:
        if self.operator == "project":
            plain = _PLAIN_PROJECT.fullmatch(self.value) is not None
            name = self.value if plain else f'"{self.value}"'
            return f"(project:{name} status:open)"
        return f"{self.operator}:{self.value}"

    def matches(self, row: Row) -> bool:
        if self.operator == "project":
            return self.value == row.project and row.is_open
        if self.operator == "message":
            return self.value in row.depends_on
        return self.value in (row.number, row.change_id)


def by_number(number: str) -> Term:
    """Raises ValueError for what is no number: it would be read as search language."""
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"not a change number: {number[:40]!r}")
    return Term("change", number)


def by_change_id(change_id: str) -> Term:
    return Term("change", _checked_id(change_id))


def by_dependency(change_id: str) -> Term:
    """Changes whose current message has a Depends-On footer that names `change_id`."""
    return Term("message", _checked_id(change_id))


def by_project(name: str) -> Term:
    """Open changes of the project. Raises ValueError for a name that no query can hold."""
    if not name or any(character in '"\\' or not character.isprintable() for character in name):
        raise ValueError(f"not a project's name: {name[:60]!r}")
    return Term("project", name)


def is_change_id(text: str) -> bool:
    return _CHANGE_ID.fullmatch(text) is not None


def _checked_id(change_id: str) -> str:
    if not is_change_id(change_id):
        raise ValueError(f"not a Change-Id: {change_id[:60]!r}")
    return change_id


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one term, and when the server was asked (monotonic seconds)."""

    rows: tuple[Row, ...]
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Request:
    term: Term
    future: Future[Answer]


class Queries:
    """The pool of query workers of one connection."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], Runner],
        rest: Rest | None = None,
        *,
        threads: int = QUERY_THREADS,
        batch: int = BATCH_TERMS,
    ) -> None:
        self._name = name
        self._rest = rest
        self._batch = batch
        #: None wakes a worker that is to stop
        self._waiting: queue.Queue[_Request | None] = queue.Queue(MAX_WAITING)
        self._runners = [connect() for _ in range(threads)]
        self._loops = [
            Loop(f"gerrit-{name}-query-{number}", self._turn_of(runner))
            for number, runner in enumerate(self._runners)
        ]
        self._closed = False
        self._complain_at = 0.0
        #: monotonic time of the last query that worked
        self.succeeded_at = 0.0

    def start(self) -> None:
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        for runner in self._runners:
            runner.close()
        self._closed = True
        waiting = self._take_waiting(MAX_WAITING)
        for _ in self._loops:
            self._waiting.put_nowait(None)
        _fail(waiting, self._lost("the driver stops"))
        deadline = time.monotonic() + STOP_SECONDS
        for loop in self._loops:
            loop.stop(max(0.1, deadline - time.monotonic()))
        _fail(self._take_waiting(MAX_WAITING), self._lost("the driver stops"))

    def look_up(
        self, terms: Iterable[Term], timeout_seconds: float = ANSWER_SECONDS
    ) -> dict[Term, Answer]:
        """Blocks. Raises ConnectionLost, HostKeyRejected, DriverError (a refused query)."""
        deadline = time.monotonic() + timeout_seconds
        futures = {term: self._ask(term) for term in dict.fromkeys(terms)}
        answers = {}
        for term, future in futures.items():
            try:
                answers[term] = future.result(max(0.0, deadline - time.monotonic()))
            except FutureTimeoutError:
                raise self._lost(f"no answer to {term} in {timeout_seconds:.0f} s") from None
        return answers

    def look_up_number(self, number: str) -> Row | None:
        """One change, None if the server does not show it."""
        term = by_number(number)
        rows = self.look_up([term])[term].rows
        return rows[0] if rows else None

    def _ask(self, term: Term) -> Future[Answer]:
        future: Future[Answer] = Future()
        if self._closed:
            raise self._lost("the driver stops")
        try:
            self._waiting.put_nowait(_Request(term, future))
        except queue.Full:
            raise self._lost(f"{MAX_WAITING} look-ups wait already") from None
        return future

    def _turn_of(self, runner: Runner) -> Callable[[threading.Event], None]:
        def turn(stopping: threading.Event) -> None:
            try:
                first = self._waiting.get(timeout=0.5)
            except queue.Empty:
                return
            if first is None:
                stopping.wait(10.0)
                return
            self._answer(runner, [first, *self._take_waiting(self._batch - 1)])

        return turn

    def _take_waiting(self, most: int) -> list[_Request]:
        taken: list[_Request] = []
        while len(taken) < most:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._waiting.put_nowait(None)
                break
            taken.append(request)
        return taken

    def _answer(self, runner: Runner, requests: list[_Request]) -> None:
        """Complete every request, whatever happens."""
        asked_at = time.monotonic()
        terms = list(dict.fromkeys(request.term for request in requests))
        try:
            rows = self._fetch(runner, terms)
        except (ConnectionLost, HostKeyRejected) as error:
            _fail(requests, error)
        except DriverError as error:
            # One term the server cannot digest must not spoil the others' answer.
            if len(terms) == 1:
                _fail(requests, error)
            else:
                for term in terms:
                    self._answer(runner, [r for r in requests if r.term == term])
        except BaseException as error:
            _fail(requests, self._lost(f"a query failed: {error!r}"))
            raise
        else:
            self.succeeded_at = time.monotonic()
            for request in requests:
                matching = tuple(row for row in rows if request.term.matches(row))
                request.future.set_result(Answer(matching, asked_at))

    def _fetch(self, runner: Runner, terms: list[Term]) -> list[Row]:
        rows = fetch_rows(runner, " OR ".join(map(str, terms)), self._name)
        requirements = self._fetch_requirements(rows)
        return [
            row.with_requirements(requirements[row.number]) if row.number in requirements else row
            for row in rows
        ]

    def _fetch_requirements(self, rows: list[Row]) -> Mapping[str, Requirements]:
        if self._rest is None:
            return {}
        try:
            return self._rest.fetch_requirements(row.number for row in rows if row.is_open)
        except ConnectionLost:
            raise
        except DriverError as error:
            # Gerrit itself still refuses what its requirements do not allow.
            if time.monotonic() < self._complain_at:
                return {}
            self._complain_at = time.monotonic() + COMPLAINT_SECONDS
            log.error("Submit requirements are unknown connection=%s: %s", self._name, error)
            return {}

    def _lost(self, text: str) -> ConnectionLost:
        return ConnectionLost(text, connection=self._name)


def _fail(requests: list[_Request], error: Exception) -> None:
    for request in requests:
        request.future.set_exception(error)


def fetch_rows(runner: Runner, terms: str, name: str) -> list[Row]:
    """All pages of a query. A row that cannot be read is logged and left out.

    Raises ConnectionLost, HostKeyRejected, DriverError.
    """
    found: list[Row] = []
    skip = 0
    resumed = ""
    for _ in range(MAX_PAGES):
        command = build_query(resumed or terms, skip=skip)
        result = runner.run(command, timeout_seconds=QUERY_SECONDS, idempotent=True)
        if result.exit_code != 0:
            raise DriverError(f"the query was refused: {result.reason}", connection=name)
        page, stats = parse_page(result.stdout, name)
        found += page
        if not page:
            return found
        if "moreChanges" in stats:
            if stats["moreChanges"] is not True:
                return found
            skip += len(page)
        elif page[-1].sort_key:
            resumed = f"({terms}) resume_sortkey:{page[-1].sort_key}"
        else:
            return found
    log.warning("A query has more rows than are read connection=%s terms=%.200s", name, terms)
    return found


def parse_page(text: str, name: str) -> tuple[list[Row], Json]:
    """(rows, stats row). A row that cannot be read is logged and left out.

    Raises ConnectionLost if the answer is cut off, DriverError if it is a refusal.
    """
    rows: list[Row] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            log.error(
                "A query row is not JSON and is left out connection=%s: %s row=%.200r",
                name,
                error,
                line,
            )
            continue
        if not isinstance(data, dict):
            log.error(
                "A query row is no object and is left out connection=%s row=%.200r", name, line
            )
            continue
        if data.get("type") == "error":
            raise DriverError(f"the query was refused: {data.get('message')}", connection=name)
        if data.get("type") == "stats":
            return rows, data
        try:
            rows.append(parse_row(data, name))
        except ChangeNotFound:
            log.debug("A query row names no project connection=%s", name)
        except DriverError as error:
            log.error("A query row cannot be read and is left out connection=%s: %s", name, error)
    raise ConnectionLost("the answer to a query ended without its last row", connection=name)
