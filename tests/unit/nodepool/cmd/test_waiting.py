"""Waiting for the daemon: progress once, the end, and why it did not come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodepool.cmd.site import CommandError
from nodepool.cmd.waiting import SILENCE_SECONDS, Watch
from nodepool.db.people import DaemonRow, People


class Daemon(People):
    """One that lives as long as `lives` says; a clock that only pauses move."""

    def __init__(self, holder: str = "one", lives: float = 1e9) -> None:
        self.now = 0.0
        self._holder = holder
        self._lives = lives

    def daemon(self) -> DaemonRow:
        return DaemonRow("pool", self._holder, (1, int(min(self.now, self._lives)), 0))

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, look: Callable[[], str | None], limit: float = 100.0) -> None:
        Watch(self, limit, lambda: self.now, self.pause).wait(look)


def answers(*texts: str | None) -> Callable[[], str | None]:
    left = list(texts)
    return lambda: left.pop(0)


def test_it_tells_what_changed_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    Daemon().wait(answers("one", "one", "two", None))
    assert capsys.readouterr().err == "one\ntwo\n"


def test_it_has_an_end() -> None:
    daemon = Daemon()
    with pytest.raises(CommandError, match="Not done within 100 s: a server"):
        daemon.wait(lambda: "a server")
    assert 100 < daemon.now < 105


def test_nobody_is_waited_for() -> None:
    daemon = Daemon("")
    with pytest.raises(CommandError, match="No nodepoold runs"):
        daemon.wait(lambda: "a server")
    assert daemon.now == 0
    daemon.wait(answers(None))


@pytest.mark.parametrize("lives", [0.0, 40.0])
def test_a_daemon_that_falls_silent(lives: float) -> None:
    daemon = Daemon(lives=lives)
    with pytest.raises(CommandError, match="No sign of life of nodepoold one for 3"):
        daemon.wait(lambda: "a server", limit=1000.0)
    assert lives + SILENCE_SECONDS < daemon.now < lives + SILENCE_SECONDS + 5
