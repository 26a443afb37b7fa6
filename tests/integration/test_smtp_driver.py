"""Reports by mail through a mail server on loopback: contract zuul.md 8.2, 12.15."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.layouts import pipeline
from tests.support.mail_server import MailServer, silent_server, started_mail_server
from tests.support.processes import find_free_port
from tests.support.reports import CHANGE, TICK, make_report, send
from tests.support.waiting import WAIT_SECONDS, eventually
from tests.support.world import World
from zuul.config import SmtpConnectionConfig
from zuul.drivers.outbox import OutboxTuning
from zuul.drivers.smtp import SmtpDriver
from zuul.model.layout import ActionKind

FAST = OutboxTuning(first_pause=0.01, max_pause=0.05, patience=WAIT_SECONDS)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with started_mail_server() as started:
        yield started


@contextlib.contextmanager
def started_driver(port: int, **how: Any) -> Iterator[SmtpDriver]:
    config = SmtpConnectionConfig("smtp", server="127.0.0.1", port=port)
    driver = SmtpDriver(config, **{"tuning": FAST, **how})
    driver.start()
    try:
        yield driver
    finally:
        driver.stop()


@pytest.fixture
def driver(server: MailServer) -> Iterator[SmtpDriver]:
    with started_driver(server.port) as started:
        yield started


@pytest.fixture
def mailing_world(driver: SmtpDriver) -> World:
    world = World()
    world.reporters.real["smtp"] = driver
    return world


def test_130_start_and_success_by_mail(mailing_world: World, server: MailServer) -> None:
    world = mailing_world
    world.reload(
        pipeline(
            "check",
            start={"smtp": {}},
            success={
                "gerrit": {"verified": 1},
                "smtp": {"to": "alternative_me@example.com", "from": "zuul_from@example.com"},
            },
        )
    )
    a = world.push()
    start, success = server.wait(2)
    assert (start.sender, start.recipients) == ("zuul", ["zuul"])
    assert start.text == "Starting check jobs.\n"
    assert success.sender == "zuul_from@example.com"
    assert success.recipients == ["alternative_me@example.com"]
    assert success.subject == "Report for change 1,1"
    assert success.text == a.comments[0].text


def test_69_the_mail_of_a_conflict_is_the_custom_text(
    mailing_world: World, server: MailServer
) -> None:
    world = mailing_world
    text = "The merge failed! For more information...\n\nSee http://ci.example.com"
    world.reload(
        pipeline(
            "gate",
            merge_failure={"gerrit": {"verified": -1}, "smtp": {"to": "you@example.com"}},
            **{"merge-failure-message": text},
        )
    )
    a, b = world.change(files=["conflict"]), world.change(files=["conflict"])
    world.approve(a, b)
    assert [mail.text for mail in server.wait(1)] == [text + "\n"]


def test_132_a_disabled_pipeline_mails(mailing_world: World, server: MailServer) -> None:
    world = mailing_world
    edit = pipeline(
        "check",
        disabled={"smtp": {"to": "you@example.com"}},
        **{"disable-after-consecutive-failures": 3},
    )
    world.reload(edit)

    def check_once(*, fails: bool) -> int:
        change = world.change()
        if fails:
            world.fails("project-test1", change)
        world.created(change)
        return len(change.comments)

    assert [check_once(fails=f) for f in (True, True, False, True, True, True)] == [1] * 6
    assert server.mails == []
    assert [check_once(fails=f) for f in (True, False, True)] == [0] * 3
    mails = server.wait(3)
    assert [mail.text.splitlines()[0] for mail in mails] == [
        "Build failed.",
        "Build succeeded.",
        "Build failed.",
    ]
    assert {tuple(mail.recipients) for mail in mails} == {("you@example.com",)}
    world.reload(edit)
    assert [check_once(fails=True) for _ in range(2)] == [1, 1]
    assert len(server.mails) == 3


def test_75_the_subject_of_a_tick(driver: SmtpDriver, server: MailServer) -> None:
    answer = send(
        driver,
        make_report(change=TICK),
        to="alternative_me@example.com",
        subject="Periodic check for {change.project} succeeded",
    )
    assert answer.reported
    (mail,) = server.wait()
    assert mail.subject == "Periodic check for org/project succeeded"


def test_what_a_change_says_stays_in_its_place(driver: SmtpDriver, server: MailServer) -> None:
    text = "=?utf-8?q?x=0D=0ABcc:_y@example.org?=\r\nBcc: everybody@example.org\r\n\r\nbody Ü"
    message = "Build succeeded.\n.\nQUIT\nMAIL FROM:<x>\n..\n- Ü : \U0001f600\n"
    report = make_report(change=_with_message(text), message=message)
    send(driver, report, subject="{change.commit_message}")
    send(driver, make_report(report="r2"))
    first, second = server.wait(2)
    assert first.recipients == second.recipients == ["zuul"]
    assert first.message["Bcc"] is None
    assert first.text == message
    assert "Ü" in first.subject
    assert second.text == make_report().message


def _with_message(text: str) -> Any:
    return type(CHANGE)(
        CHANGE.key, CHANGE.project, CHANGE.branch, CHANGE.refspec, commit_message=text
    )


def test_mails_keep_their_order(driver: SmtpDriver, server: MailServer) -> None:
    for number in range(20):
        send(driver, make_report(report=f"r{number}", message=f"{number}"))
    assert [mail.text for mail in server.wait(20)] == [f"{number}\n" for number in range(20)]


def test_a_server_that_comes_up_late_gets_the_mail(caplog: pytest.LogCaptureFixture) -> None:
    port = find_free_port()
    with started_driver(port) as driver:
        assert send(driver, make_report()).reported
        eventually(lambda: "tried again" in caplog.text, "a failed try")
        with started_mail_server(port) as server:
            assert len(server.wait()) == 1


def test_a_server_that_stays_away_costs_bounded_tries(caplog: pytest.LogCaptureFixture) -> None:
    tuning = OutboxTuning(first_pause=0.01, patience=0.2)
    with started_driver(find_free_port(), tuning=tuning) as driver:
        assert send(driver, make_report()).reported
        eventually(lambda: "A report is dropped" in caplog.text, "the end of patience")
    dropped = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(dropped) == 1
    assert "Connection refused" in dropped[0].getMessage()


def test_a_server_that_hangs_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with silent_server() as (port, came):
        tuning = OutboxTuning(first_pause=0.01, patience=0.1, drain=0.5)
        with started_driver(port, timeout_seconds=0.2, tuning=tuning) as driver:
            began = time.monotonic()
            for _ in range(50):
                assert send(driver, make_report()).reported
            assert time.monotonic() - began < WAIT_SECONDS
            assert came.wait(WAIT_SECONDS)
            eventually(lambda: "A report is dropped" in caplog.text, "the end of patience")


def test_a_passing_refusal_is_tried_again(driver: SmtpDriver, server: MailServer) -> None:
    server.handler.refused_recipients.append("450 greylisted")
    server.handler.refused_mails.append("451 try again later")
    send(driver, make_report())
    server.wait()
    assert server.handler.tries == 2
    assert len(server.mails) == 1


def test_a_lasting_refusal_is_not(
    driver: SmtpDriver, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.handler.refused_mails.append("554 we do not like it")
    send(driver, make_report())
    server.handler.refused_recipients += ["550 no such user"]
    send(driver, make_report(kind=ActionKind.FAILURE))
    send(driver, make_report(message="third"))
    (mail,) = server.wait()
    assert mail.text == "third\n"
    dropped = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(dropped) == 2
    assert "we do not like it" in caplog.text
    assert "no such user" in caplog.text


def test_one_bad_recipient_of_two_is_told(
    driver: SmtpDriver, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.handler.refused_recipients += ["550 no such user"]
    send(driver, make_report(), to="a@example.org, b@example.org")
    (mail,) = server.wait()
    assert mail.recipients == ["b@example.org"]
    eventually(lambda: "refused=a@example.org" in caplog.text, "the log's word")


def test_what_waits_at_the_end_is_sent(server: MailServer) -> None:
    with started_driver(server.port) as driver:
        for number in range(5):
            send(driver, make_report(message=f"{number}"))
    assert len(server.mails) == 5
