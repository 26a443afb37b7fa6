"""Answers find who asked, and never before what must be on the disk is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zuul.core.commands import AnswerRequest, KeepBrakes
from zuul.daemon.brake_file import write_brakes
from zuul.daemon.desk import Desk

SECONDS = 20.0
BRAKES = KeepBrakes((), ())


@contextmanager
def open_desk(
    folder: Path, write: Callable[[Path, KeepBrakes], None] = write_brakes
) -> Iterator[Desk]:
    desk = Desk(folder, write)
    desk.start()
    try:
        yield desk
    finally:
        desk.stop()


def test_an_answer_waits_for_what_must_be_kept(tmp_path: Path) -> None:
    go = threading.Event()
    with open_desk(tmp_path, lambda *_: go.wait(SECONDS) and None) as desk:
        request, future = desk.open()
        desk.keep(BRAKES)
        desk.answer(AnswerRequest(request))
        assert not future.done()
        go.set()
        assert future.result(SECONDS) == AnswerRequest(request)


def test_what_is_not_kept_is_told_once(tmp_path: Path) -> None:
    with open_desk(tmp_path / "nosuch") as desk:
        request, future = desk.open()
        other, second = desk.open()
        desk.keep(BRAKES)
        desk.answer(AnswerRequest(request, note="first"))
        desk.answer(AnswerRequest(other))
        note = future.result(SECONDS).note
        assert note is not None
        assert note.startswith("first; it is in force, but could not be written")
        assert second.result(SECONDS).note is None


def test_who_waits_when_the_server_stops_is_told(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        _, future = desk.open()
    assert "zuul-server stops" in (future.result(SECONDS).error or "")
    _, late = desk.open()
    assert "zuul-server stops" in (late.result(SECONDS).error or "")


def test_answers_nobody_waits_for_are_dropped(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        request, future = desk.open()
        desk.forget(request)
        other, second = desk.open()
        desk.answer(AnswerRequest(request))
        desk.answer(AnswerRequest(other))
        second.result(SECONDS)
        assert not future.done()
