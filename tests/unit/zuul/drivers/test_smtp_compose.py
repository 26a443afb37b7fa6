"""Mails as they are made of reports: contract zuul.md 8.2."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reports import CHANGE, TICK, make_report
from zuul.config import SmtpConnectionConfig
from zuul.core.commands import SendReport
from zuul.drivers.smtp import Mail, compose
from zuul.model.change import Change, ChangeKey, Ref, RefKey

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
CONFIG = SmtpConnectionConfig("mail")
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
]


def mail(report: SendReport | None = None, **parameters: Any) -> Mail:
    return compose(report or make_report(), parameters, CONFIG, NOW)


def body(made: Mail) -> str:
    return str(wire(made).get_content()).replace("\r\n", "\n")


def wire(made: Mail) -> EmailMessage:
    """As the recipient reads it."""
    return BytesParser(EmailMessage, policy=default).parsebytes(bytes(made.message))


def test_130_defaults() -> None:
    made = mail()
    assert (made.sender, made.recipients) == ("zuul", ("zuul",))
    assert str(wire(made)["Subject"]) == "Report for change 1,2"
    assert wire(made)["Message-ID"] == "<r1.6d61696c@zuul.invalid>"
    assert str(wire(made)["Date"]) == "Sat, 28 Nov 2026 12:00:00 +0000"
    assert sorted(wire(made).keys()) == sorted(HEADERS)


def test_130_addresses_of_the_action_come_first() -> None:
    made = mail(**{"from": "Zuul <zuul@example.org>", "to": "a@example.org, B C <b@example.org>"})
    assert made.sender == "zuul@example.org"
    assert made.recipients == ("a@example.org", "b@example.org")
    assert str(wire(made)["From"]) == "Zuul <zuul@example.org>"
    assert str(wire(made)["To"]) == "a@example.org, B C <b@example.org>"


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (CHANGE, "Report for change 1,2"),
        (Ref(RefKey("gerrit", "p", "refs/heads/x", "f" * 40), "0" * 40), "f" * 40),
        (TICK, "Report for change org/project"),
    ],
)
def test_the_default_subject_of_each_kind(change: Any, subject: str) -> None:
    assert str(wire(mail(make_report(change=change)))["Subject"]).endswith(subject)


def test_75_a_subject_of_the_tick_s_project() -> None:
    made = mail(make_report(change=TICK), subject="Periodic check for {change.project} succeeded")
    assert str(wire(made)["Subject"]) == "Periodic check for org/project succeeded"


@pytest.mark.parametrize("template", ["{change.number}", "{change.nothing}", "{change.__class__}"])
def test_a_subject_that_cannot_be_made_is_the_default(
    template: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = mail(make_report(change=TICK), subject=template)
    assert str(wire(made)["Subject"]) == "Report for change org/project"
    assert template in caplog.text


def change(message: str) -> Change:
    return Change(ChangeKey("gerrit", "1", "2"), message, "master", "r", commit_message=message)


@pytest.mark.parametrize(
    "text",
    [
        "Fix\r\nBcc: everybody@example.org\r\n\r\nbody",
        "Fix\nBcc: x@y",
        "Fix\rBcc: x@y",
        "Fix\u2028Bcc: x@y\x0bBcc: z\x85Bcc: q\x00",
        "=?utf-8?q?Fix=0ABcc:_x@y?=",
    ],
)
def test_a_change_cannot_add_headers(text: str) -> None:
    sent = mail(make_report(change=change(text)), subject="News: {change.commit_message}")
    made = wire(sent)
    assert sorted(made.keys()) == sorted(HEADERS)
    assert "\n" not in str(made["Subject"])
    assert body(sent) == "Build succeeded.\n\n- a http://logs/a : SUCCESS\n"


def test_text_of_the_world_arrives() -> None:
    text = "Grüße, 世界 \U0001f600, broken \ud800 and \x1b[31m"
    report = make_report(message=text, change=change("Grüße 世界"))
    sent = mail(report, subject="{change.project}")
    assert str(wire(sent)["Subject"]) == "Grüße 世界"
    assert body(sent) == "Grüße, 世界 \U0001f600, broken \ufffd and \ufffd[31m\n"


def test_a_long_line_is_broken_for_the_way_only() -> None:
    text = "- a http://" + "x" * 5000 + " : SUCCESS"
    made = mail(make_report(message=text))
    assert all(len(line) < 998 for line in bytes(made.message).splitlines())
    assert body(made) == text + "\n"


@given(st.text(), st.text())
def test_no_text_spoils_a_mail(message: str, subject: str) -> None:
    report = make_report(message=message, change=change(subject))
    made = wire(mail(report, subject="{change.commit_message}"))
    assert sorted(made.keys()) == sorted(HEADERS)
    assert made.get_content_type() == "text/plain"
