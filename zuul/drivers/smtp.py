"""SmtpDriver: reports by mail, contract zuul.md 8.2.

The parameters of an action are `to`, `from` and `subject`. Text of a change ends up in the subject:
whatever it holds, a mail has no headers but those made here.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Protocol

from zuul.core.commands import SendReport
from zuul.core.events import ReportCompleted
from zuul.core.urls import TemplateError, expand
from zuul.core.views import view_change
from zuul.drivers.outbox import Outbox, OutboxTuning
from zuul.errors import ConnectionLost, DriverError
from zuul.lib.addresses import parse_addresses
from zuul.lib.logs import fields
from zuul.lib.text import clean_text
from zuul.model.change import Changeish, NullChange
from zuul.model.layout import ReportAction

log = logging.getLogger("zuul.SMTPReporter")

#: a server that says nothing for so long is as good as down
SMTP_SECONDS = 30.0
MAX_SUBJECT_LENGTH = 250


class SmtpConfig(Protocol):
    """What of zuul.config.SmtpConnectionConfig the driver needs."""

    @property
    def name(self) -> str: ...

    @property
    def server(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def default_from(self) -> str: ...

    @property
    def default_to(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Letter:
    request: SendReport
    parameters: Mapping[str, Any]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A message with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class SmtpDriver:
    """One configured mail server as Reporter."""

    def __init__(
        self,
        config: SmtpConfig,
        *,
        timeout_seconds: float = SMTP_SECONDS,
        tuning: OutboxTuning | None = None,
    ) -> None:
        self.name = config.name
        self._config = config
        self._timeout = timeout_seconds
        self._outbox: Outbox[_Letter] = Outbox(self.name, log, self._send, tuning)

    def start(self) -> None:
        self._outbox.start()

    def stop(self) -> None:
        self._outbox.stop()

    def report(
        self,
        request: SendReport,
        action: ReportAction,
        done: Callable[[ReportCompleted], None],
    ) -> None:
        """Compat: mail that does not arrive is no failure of the report; the log tells of it."""
        letter = _Letter(request, action.parameters, datetime.now(UTC))
        self._outbox.put(letter, f"{request.pipeline} {request.kind.value} {request.change.key}")
        done(ReportCompleted(request.report, reported=True))

    def _send(self, letter: _Letter) -> None:
        try:
            mail = compose(letter.request, letter.parameters, self._config, letter.asked_at)
        except ValueError as error:
            raise DriverError(str(error), connection=self.name) from error
        refused = self._deliver(mail)
        if refused:
            log.error(
                "The mail server refused some recipients %s",
                fields(connection=self.name, refused=", ".join(sorted(refused))),
            )

    def _deliver(self, mail: Mail) -> Iterable[str]:
        """Addresses that the server did not take. Raises DriverError, ConnectionLost."""
        try:
            return self._talk(mail)
        except smtplib.SMTPNotSupportedError as error:
            raise DriverError(f"the mail server cannot take it: {error}") from error
        except smtplib.SMTPRecipientsRefused as error:
            text = f"the mail server refused all recipients: {error.recipients}"
            if any(code < 500 for code, _ in error.recipients.values()):
                raise ConnectionLost(text) from error
            raise DriverError(text) from error
        except smtplib.SMTPResponseException as error:
            text = f"the mail server answered {error.smtp_code}: {error.smtp_error!r}"
            if error.smtp_code < 500:
                raise ConnectionLost(text) from error
            raise DriverError(text) from error
        except OSError as error:
            raise ConnectionLost(f"the mail server cannot be reached: {error}") from error

    def _talk(self, mail: Mail) -> Iterable[str]:
        server = smtplib.SMTP(self._config.server, self._config.port, timeout=self._timeout)
        try:
            refused = server.send_message(mail.message, mail.sender, mail.recipients)
            with contextlib.suppress(smtplib.SMTPException):
                server.quit()  # the mail is taken, whatever comes of our good manners
        finally:
            server.close()
        return refused


def compose(
    request: SendReport, parameters: Mapping[str, Any], config: SmtpConfig, now: datetime
) -> Mail:
    """The mail that tells of the report. Raises ValueError for addresses that are none."""
    sender = parse_addresses(parameters.get("from") or config.default_from)
    recipients = parse_addresses(parameters.get("to") or config.default_to)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipients
    message["Subject"] = _subject(request.change, parameters.get("subject"))
    message["Date"] = format_datetime(now)
    # The same in each try, so that a mail that came twice is seen to be one.
    message["Message-ID"] = f"<{request.report}.{config.name.encode().hex()}@{_host(sender[0])}>"
    # No holiday notice shall answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(clean_text(request.message))
    return Mail(sender[0].addr_spec, tuple(each.addr_spec for each in recipients), message)


def _host(sender: Address) -> str:
    return sender.domain if sender.domain.isascii() and sender.domain else "zuul.invalid"


def _subject(change: Changeish, template: str | None) -> str:
    subject = None
    if template:
        try:
            subject = expand(template, {"change": view_change(change)})
        except TemplateError as error:
            log.warning(
                "The subject of a mail cannot be made of its template %s: %s",
                fields(template=template, change=change.key),
                error,
            )
    if subject is None:
        about = change.project if isinstance(change, NullChange) else change.key
        subject = f"Report for change {about}"
    line = " ".join(clean_text(subject).split())
    # Python's email package decodes what looks encoded, and many a version of it then writes the
    # line ends that it found inside as they are (CVE-2024-6923).
    return line.replace("=?", "= ?")[:MAX_SUBJECT_LENGTH]
