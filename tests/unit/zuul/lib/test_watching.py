"""Observers that are several, and the records that they write."""

from __future__ import annotations

import logging

import pytest

from zuul.lib.watching import fan_out, hooks_of, say


class Silent:
    def came(self, name: str) -> None: ...
    def left(self, name: str, *, late: bool) -> None: ...
    def _own(self) -> None: ...


class Listener(Silent):
    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []

    def left(self, name: str, *, late: bool) -> None:
        self.heard.append((name, late))


class Stranger:
    """No child of the silent one: hooks come from anywhere."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattr__(self, hook: str) -> object:
        return lambda *arguments, **keywords: self.heard.append(hook)


def test_hooks_are_the_public_names() -> None:
    assert hooks_of(Silent) == ("came", "left")


def test_all_who_listen_are_told_and_nobody_else() -> None:
    first, second = Listener(), Listener()
    told = fan_out(Silent, (first, Silent(), second))
    assert set(told) == {"left"}
    told["left"]("n", late=True)
    assert first.heard == second.heard == [("n", True)]
    assert fan_out(Silent, (Silent(),)) == {}


def test_one_alone_is_told_directly() -> None:
    listener = Listener()
    assert fan_out(Silent, (listener,))["left"] == listener.left


def test_strangers_are_told_everything() -> None:
    stranger = Stranger()
    told = fan_out(Silent, (stranger,))
    told["came"]("n")
    told["left"]("n", late=False)
    assert stranger.heard == ["came", "left"]


def test_a_record_has_its_facts_and_its_hook(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("zuul.Watched")
    caplog.set_level(logging.INFO, "zuul.Watched")
    say(log, logging.INFO, "came", "It came", name="n", level=3, job=None)
    say(log, logging.DEBUG, "came", "Not told")
    (record,) = caplog.records
    assert (record.getMessage(), record.action) == ("It came name=n level=3", "came")  # type: ignore[attr-defined]
