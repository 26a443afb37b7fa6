"""A mail server on loopback, and what can be wrong with one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.processes import find_free_port
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as it came over the wire."""

    sender: str
    recipients: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        """The body; SMTP ends every line."""
        return cast(str, self.message.get_content()).replace("\r\n", "\n")

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])


@dataclass(slots=True)
class _Handler:
    #: answers to give to further recipients, and to further mails, before it takes one
    refused_recipients: list[str] = field(default_factory=list)
    refused_mails: list[str] = field(default_factory=list)
    mails: list[Received] = field(default_factory=list)
    tries: int = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refused_recipients:
            return self.refused_recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.tries += 1
        if self.refused_mails:
            return self.refused_mails.pop(0)
        assert isinstance(envelope.content, bytes)
        message = BytesParser(EmailMessage, policy=default).parsebytes(envelope.content)
        self.mails.append(Received(str(envelope.mail_from), envelope.rcpt_tos, message))
        return "250 OK"


class MailServer:
    """Takes every mail, unless told otherwise."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or find_free_port()
        self.handler = _Handler()
        self._controller = Controller(self.handler, hostname="127.0.0.1", port=self.port)

    @property
    def mails(self) -> list[Received]:
        return self.handler.mails

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def wait(self, count: int = 1) -> list[Received]:
        """All mails, once there are as many."""
        eventually(lambda: len(self.mails) >= count, f"{count} mails")
        return self.mails


@contextlib.contextmanager
def started_mail_server(port: int | None = None) -> Iterator[MailServer]:
    server = MailServer(port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """The port of a server that takes connections and says nothing; set once one has come."""
    came = threading.Event()
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connections.append(listener.accept()[0])
                came.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in connections:
                connection.close()
