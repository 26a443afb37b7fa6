"""After a restart, what was missed waits until the workers of our own Gearman server are back."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from zuul.daemon.gearman_waits import (
    STABLE_SECONDS,
    WORKERS_SECONDS,
    StartInterrupted,
    wait_for_server,
    wait_for_workers,
)
from zuul.lib.gearman import FunctionStatus, parse_status


class Server:
    """Its functions are those that `served` tells at the time; so is the clock."""

    def __init__(self, served: Callable[[float], list[str]], down_until: float = 0.0) -> None:
        self.now = 0.0
        self._served = served
        self._down_until = down_until

    def status(self) -> dict[str, FunctionStatus]:
        if self.now < self._down_until:
            raise ConnectionRefusedError("not yet")
        lines = [f"{name}\t0\t0\t1\n" for name in self._served(self.now)]
        return parse_status("".join(lines).encode())

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def waited(self) -> float:
        wait_for_workers(self, self.pause, lambda: self.now)  # type: ignore[arg-type]
        return self.now


def test_nobody_comes() -> None:
    assert Server(lambda now: []).waited() == STABLE_SECONDS


def test_the_last_to_come_is_waited_for() -> None:
    assert Server(lambda now: ["a"] if now < 3 else ["a", "b"]).waited() == 3 + STABLE_SECONDS


def test_a_server_that_does_not_answer_at_first_is_asked_again() -> None:
    assert Server(lambda now: ["a"], down_until=2.0).waited() == 2 + STABLE_SECONDS


def test_those_who_come_and_go_for_ever_are_not_waited_for_for_ever() -> None:
    assert Server(lambda now: [f"build:{now}"]).waited() == WORKERS_SECONDS


def test_the_end_of_the_process_ends_the_wait() -> None:
    server = Server(lambda now: [f"build:{now}"])
    with pytest.raises(StartInterrupted):
        wait_for_workers(cast(Any, server), lambda seconds: server.pause(seconds) or server.now > 2)
    assert server.now < 3


def test_the_end_of_the_process_ends_the_wait_for_a_server_that_is_away() -> None:
    class Away:
        def wait_connected(self, timeout_seconds: float) -> bool:
            return False

    with pytest.raises(StartInterrupted):
        wait_for_server(cast(Any, Away()), lambda seconds: True)
