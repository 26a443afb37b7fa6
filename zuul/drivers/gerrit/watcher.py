"""The thread that listens to one Gerrit's event stream, and makes up for when it could not."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from zuul.drivers.gerrit.connection import SshConnection
from zuul.drivers.gerrit.heard import HeardMemory
from zuul.drivers.gerrit.hostkeys import SshConfig
from zuul.drivers.gerrit.queries import fetch_rows
from zuul.drivers.gerrit.stream import Heard, parse_event
from zuul.errors import ConnectionLost, DriverError, HostKeyRejected, StreamError
from zuul.lib.workers import Loop

log = logging.getLogger("gerrit.GerritWatcher")

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
#: a person has to act first
HOST_KEY_PAUSE_SECONDS = 60.0
#: a stream that lived this long was a good one: the next failure starts from the first pause
STEADY_SECONDS = 10.0
#: how far before the last sign of the stream the catch-up looks
OVERLAP_SECONDS = 60.0
PROBE_SECONDS = 30.0
#: characters of a bad line that go to the log
_EXCERPT = 300


@dataclass(frozen=True, slots=True)
class _LastSign:
    """When the stream was last known to work."""

    #: this machine's clock
    monotonic: float
    #: server's epoch seconds, or ours where it never told
    server: float
    #: seconds before it that are looked at again: what was heard then is remembered
    overlap: float = OVERLAP_SECONDS


@dataclass(frozen=True, slots=True)
class MovedBranch:
    """A branch that something merged into while nobody listened."""

    project: str
    branch: str
    #: as this server names it in its events
    ref: str
    #: where it was last heard to be; None: never heard
    revision: str | None


class Watcher:
    """Reads the stream for ever; calls `handle` for every event, in order."""

    def __init__(
        self,
        config: SshConfig,
        handle: Callable[[Heard], None],
        check_branch: Callable[[MovedBranch], None],
        *,
        strip_branch_ref: bool = False,
        heard_until: float | None = None,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """`check_branch` is called for branches that changes merged into unheard.

        `heard_until`: epoch seconds up to which an earlier process heard everything; None: what
        happened before the start is not caught up."""
        self._config = config
        self._name = config.name
        self._handle = handle
        self._check_branch = check_branch
        self._strip_branch_ref = strip_branch_ref
        self._first_pause = first_pause_seconds
        self._pause = first_pause_seconds
        self._connection = SshConnection(config)
        self._memory = HeardMemory(config.name)
        self._sign: _LastSign | None = None
        if heard_until is not None:
            age = max(0.0, time.time() - heard_until)
            self._sign = _LastSign(time.monotonic() - age, heard_until, 0.0)
        self._loop = Loop(f"gerrit-{config.name}-watch", self._turn)
        #: whether a stream is open now
        self.listening = threading.Event()

    @property
    def heard_until(self) -> float | None:
        """Epoch seconds of the newest event, by the server's clock; None before the first."""
        return self._memory.newest_at or (self._sign.server if self._sign else None)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._connection.close()
        self._loop.stop()

    def _turn(self, stopping: threading.Event) -> None:
        began = time.monotonic()
        try:
            self._watch(stopping)
            return
        except HostKeyRejected as error:
            pause = HOST_KEY_PAUSE_SECONDS
            log.error("No event stream connection=%s: %s", self._name, error)
        except DriverError as error:
            if stopping.is_set():
                return
            if time.monotonic() - began > STEADY_SECONDS:
                self._pause = self._first_pause
            # Many schedulers of one server should not come back in step.
            pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret
            self._pause = min(self._pause * 2, MAX_PAUSE_SECONDS)
            log.warning(
                "The event stream is down, next try in %.1f s connection=%s: %s",
                pause,
                self._name,
                error,
            )
        finally:
            self.listening.clear()
        stopping.wait(pause)

    def _watch(self, stopping: threading.Event) -> None:
        caught_up = False
        silent_since = time.monotonic()
        for lines in self._connection.read_stream(stopping):
            if not caught_up:
                # The new stream is open already: between it and the query nothing gets lost.
                self._catch_up()
                caught_up = True
                self.listening.set()
                log.info("Listening to the event stream connection=%s", self._name)
            now = time.monotonic()
            if lines:
                silent_since = now
                for line in lines:
                    self._hear(line)
                self._note_sign(now)
            elif self._config.keepalive and now - silent_since > self._config.keepalive:
                # A peer that vanished sends nothing either; only asking tells the difference.
                self._connection.probe(PROBE_SECONDS)
                silent_since = time.monotonic()

    def _hear(self, line: bytes) -> None:
        if not line.strip():
            return
        now = time.time()
        try:
            heard = parse_event(
                line, self._name, strip_branch_ref=self._strip_branch_ref, received_at=now
            )
        except StreamError as error:
            log.error(
                "A line of the event stream is no event connection=%s: %s line=%r",
                self._name,
                error,
                line[:_EXCERPT],
            )
            return
        if self._memory.remember(heard):
            self._handle(heard)

    def _note_sign(self, monotonic: float) -> None:
        self._sign = _LastSign(monotonic, self._memory.newest_at or time.time())

    def _catch_up(self) -> None:
        """Make up what happened since the last sign. Raises ConnectionLost: then it is tried again
        with the next stream."""
        sign = self._sign
        if sign is None:
            self._note_sign(time.monotonic())
            return
        gap = max(0.0, time.monotonic() - sign.monotonic)
        asked_at = time.monotonic()
        query = f"NOT age:{int(gap + OVERLAP_SECONDS) + 1}s"
        try:
            rows = fetch_rows(self._connection, query, self._name)
        except ConnectionLost:
            raise
        except DriverError as error:
            raise ConnectionLost(f"catching up: {error}", connection=self._name) from error
        missed = self._memory.make_up(rows, sign.server - sign.overlap, time.time())
        log.info(
            "Caught up with what was missed connection=%s gap_seconds=%.1f changes=%s events=%s",
            self._name,
            gap,
            len(rows),
            len(missed),
        )
        for heard in missed:
            log.info(
                "An event was missed and is made up connection=%s type=%s change=%s,%s",
                self._name,
                heard.event.type,
                heard.event.number,
                heard.event.patchset,
            )
            self._handle(heard)
        self._check_branches(missed)
        self._note_sign(asked_at)

    def _check_branches(self, missed: list[Heard]) -> None:
        merged = dict.fromkeys(
            (heard.event.project, heard.event.branch)
            for heard in missed
            if heard.event.type == "change-merged"
        )
        for project, branch in merged:
            if project is not None and branch is not None:
                ref, revision = self._memory.find_ref(project, branch)
                if self._strip_branch_ref:
                    ref = ref.removeprefix("refs/heads/")
                self._check_branch(MovedBranch(project, branch, ref, revision))
