"""The outbox delivers in order, tries again within bounds, and tells what it drops."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.waiting import WAIT_SECONDS, eventually
from zuul.drivers.outbox import Outbox, OutboxTuning
from zuul.errors import ConnectionLost, DriverError

log = logging.getLogger("test.outbox")
FAST = OutboxTuning(first_pause=0.001, max_pause=0.002)


class Post:
    """Does with letters what the test says; `gate` holds the first until it opens."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.tried: list[str] = []
        self.delivered: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, letter: str) -> None:
        self.tried.append(letter)
        assert self.gate.wait(WAIT_SECONDS)
        if self.faults:
            raise self.faults.pop(0)
        self.delivered.append(letter)


@contextmanager
def opened(send: Callable[[str], None], tuning: OutboxTuning = FAST) -> Iterator[Outbox[str]]:
    outbox = Outbox("mail", log, send, tuning)
    outbox.start()
    try:
        yield outbox
    finally:
        outbox.stop()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_letters_arrive_in_order_though_the_first_takes_tries() -> None:
    post = Post(ConnectionLost("refused"), ConnectionLost("refused"))
    with opened(post) as outbox:
        for letter in "abc":
            outbox.put(letter, letter)
        eventually(lambda: len(post.delivered) == 3, "three letters")
    assert post.delivered == ["a", "b", "c"]
    assert post.tried == ["a", "a", "a", "b", "c"]


def test_a_letter_that_no_try_will_help_is_dropped_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    post = Post(DriverError("no such mailbox"))
    with opened(post) as outbox:
        outbox.put("a", "check success 1,2")
        outbox.put("b", "b")
        eventually(lambda: post.delivered == ["b"], "the second letter")
    assert errors(caplog) == [
        'A report is dropped connection=mail report="check success 1,2": no such mailbox'
    ]


def test_patience_ends(caplog: pytest.LogCaptureFixture) -> None:
    post = Post(*(ConnectionLost("refused") for _ in range(100)))
    tuning = OutboxTuning(first_pause=0.001, max_pause=0.01, patience=0.05)
    with opened(post, tuning) as outbox:
        outbox.put("a", "a")
        eventually(lambda: errors(caplog), "the end of patience")
    assert 1 < len(post.tried) < 100
    assert errors(caplog) == ["A report is dropped connection=mail report=a: refused"]


def test_what_is_too_much_is_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    post = Post()
    post.gate.clear()
    with opened(post, OutboxTuning(limit=2)) as outbox:
        for letter in "abc":
            outbox.put(letter, letter)
        assert errors(caplog) == [
            "A report is dropped connection=mail report=c: 2 reports wait already"
        ]
        post.gate.set()
        eventually(lambda: post.delivered == ["a", "b"], "the others")


def test_at_the_end_each_letter_is_tried_once_more(caplog: pytest.LogCaptureFixture) -> None:
    post = Post(*(ConnectionLost("refused") for _ in range(3)))
    tuning = OutboxTuning(first_pause=WAIT_SECONDS)
    with opened(post, tuning) as outbox:
        for letter in "abc":
            outbox.put(letter, letter)
        eventually(lambda: post.tried == ["a"], "the first try")
    assert post.tried == ["a", "a", "b", "c"]
    assert post.delivered == ["c"]
    assert len(errors(caplog)) == 2


def test_what_is_left_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    post = Post()
    post.gate.clear()
    outbox = Outbox("mail", log, post, OutboxTuning(drain=0.01))
    outbox.start()
    outbox.put("a", "a")
    outbox.put("b", "b")
    eventually(lambda: post.tried, "the first try")
    threading.Timer(0.2, post.gate.set).start()
    outbox.stop()
    assert errors(caplog) == ["Reports are lost as the process ends connection=mail reports=2"]


def test_what_a_send_raises_besides_ends_that_letter_alone() -> None:
    post = Post(ValueError("a bug"))
    with opened(post) as outbox:
        outbox.put("a", "a")
        outbox.put("b", "b")
        eventually(lambda: post.delivered == ["b"], "the second letter")
