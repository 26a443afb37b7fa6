"""The scheduler's thread: one bad event spoils no other, and snapshots are answered."""

from collections.abc import Sequence
from typing import Any

import pytest

from zuul.core.commands import Command, StopProcess
from zuul.core.events import Event, RepoUpdated
from zuul.daemon.inbox import Inbox
from zuul.daemon.scheduler_thread import SchedulerThread


class FakeScheduler:
    """Raises on the request `bad`; stops the process on `last`."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def handle(self, batch: Sequence[Event], now: float) -> tuple[Command, ...]:
        (event,) = batch
        assert isinstance(event, RepoUpdated)
        self.seen.append(event.request)
        if event.request == "bad":
            raise AssertionError("an invariant is broken")
        return (StopProcess(),) if event.request == "last" else ()

    def snapshot(self, now: float) -> Any:
        return tuple(self.seen)


def test_an_event_that_breaks_the_core_is_logged_and_the_next_is_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox, scheduler, commands = Inbox(), FakeScheduler(), []
    for request in ("good", "bad", "last"):
        inbox.put(RepoUpdated(request, None))
    thread = SchedulerThread(scheduler, inbox, commands.append)  # type: ignore[arg-type]
    thread.start()
    thread.request_snapshot().result(timeout=10)
    thread.stop()
    assert scheduler.seen == ["good", "bad", "last"]
    assert commands == [StopProcess()]
    assert "request='bad'" in caplog.text


def test_a_snapshot_that_is_wanted_at_the_end_is_answered() -> None:
    thread = SchedulerThread(FakeScheduler(), Inbox(), lambda command: None)  # type: ignore[arg-type]
    wanted = thread.request_snapshot()
    thread.start()
    thread.stop()
    assert wanted.done()
