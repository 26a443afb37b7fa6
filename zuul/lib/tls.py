"""TLS with certificates on both sides, and a TLS socket that two threads may use at once.

Each party has a key, a certificate, and the authority that vouches for all the others; nobody whom
that authority does not know gets as far as the first byte of the protocol inside.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zuul.lib.fields import FieldReader
from zuul.lib.logs import fields
from zuul.lib.modes import is_readable_by_others

log = logging.getLogger("zuul.TLS")

OPTIONS: Final = ("ssl_ca", "ssl_cert", "ssl_key")
OLDEST: Final = ssl.TLSVersion.TLSv1_2
_RECEIVE_BYTES: Final = 256 * 1024


class TlsError(OSError):
    """A file of keys or certificates cannot be used; the text names it."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The papers of one party, PEM files."""

    #: certificates of the authorities that vouch for the other side
    ca: Path
    certificate: Path
    #: not encrypted: a daemon has nobody to ask for a password
    key: Path


def parse_tls_files(reader: FieldReader) -> TlsFiles | None:
    """The options ssl_ca, ssl_cert and ssl_key of a section: all three or none."""
    ca, certificate, key = map(reader.find_path, OPTIONS)
    if ca is not None and certificate is not None and key is not None:
        return TlsFiles(ca, certificate, key)
    if ca is not None or certificate is not None or key is not None:
        for option, path in zip(OPTIONS, (ca, certificate, key), strict=True):
            if path is None:
                reader.complain(option, "is required: ssl_ca, ssl_cert and ssl_key go together")
    return None


def client_context(files: TlsFiles, *, check_hostname: bool) -> ssl.SSLContext:
    """What a client connects with. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    return _prepare(context, files)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What a server listens with: a client without a certificate is refused. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    # A session that is taken up again would bring its old certificate with it.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    return _prepare(context, files)


def _prepare(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = OLDEST
    try:
        context.load_verify_locations(cafile=files.ca)
    except OSError as error:
        raise TlsError(f"{files.ca}: holds no certificates that can be read: {error}") from error
    _load_certificate(context, files)
    return context


def _load_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    for path in (files.certificate, files.key):
        if not os.access(path, os.R_OK):
            raise TlsError(f"{path}: is not there or cannot be read")
    try:
        # The empty password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except OSError as error:
        text = "are no certificate and its key (which must not be encrypted)"
        raise TlsError(f"{files.certificate} and {files.key}: {text}: {error}") from error
    if is_readable_by_others(files.key):
        text = "A private key can be read by others than its owner, chmod 600 %s"
        log.warning(text, fields(path=files.key))


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """Whose a certificate is, as `getpeercert` has it; "" if its subject has not just one name."""
    parts = [pair for group in (certificate or {}).get("subject", ()) for pair in group]
    names = [value for key, value in parts if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


class TlsSocket:
    """A connected socket with TLS around it: one thread may read while others write.

    Python's own SSLSocket does not allow that: OpenSSL's state is one for both directions, and a
    read that waits would hold it. Here only the plain socket waits, the state is never held long.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shakes hands, within the socket's timeout for each step. Raises OSError."""
        self._socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._state = threading.Lock()
        #: keeps records in the order in which they were made
        self._writing = threading.Lock()
        self._shake_hands()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                self._hear()
            except ssl.SSLError:
                with suppress(OSError):
                    # the alert that tells the other side why
                    self._socket.sendall(self._outgoing.read())
                raise
            else:
                self._socket.sendall(self._outgoing.read())
                return

    def _hear(self) -> None:
        data = self._socket.recv(_RECEIVE_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def fileno(self) -> int:
        """For poll: readable when `receive` should be called."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """What has come, waiting once for the socket; None: nothing whole, b"": it has ended.

        Raises OSError.
        """
        data = self._socket.recv(_RECEIVE_BYTES)
        found: list[bytes] = []
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
            while True:
                try:
                    piece = self._tls.read(_RECEIVE_BYTES)
                except ssl.SSLWantReadError:
                    return b"".join(found) or None
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b"".join(found)
                if not piece:
                    return b"".join(found)
                found.append(piece)

    def sendall(self, data: bytes) -> None:
        """Send all of `data`. Raises OSError."""
        with self._writing:
            with self._state:
                view = memoryview(data)
                while view:
                    view = view[self._tls.write(view) :]
                records = self._outgoing.read()
            self._socket.sendall(records)

    def shutdown(self, how: int) -> None:
        """Of the plain socket."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Of the plain socket."""
        self._socket.close()
