"""Uploads to swift: places that workers may post files to, signed (contract zuul.md 1.2, 4).

Signing is pure. A thread logs in until that has worked once: only then is it known where the
storage is, and that the account has the key.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import string
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from zuul.drivers.swift.account import Login, log_in
from zuul.errors import ConnectionLost
from zuul.lib import logs
from zuul.lib.secret import Secret
from zuul.lib.workers import Loop
from zuul.model.upload import Upload

log = logging.getLogger("zuul.Swift")

KEY_LETTERS = 20


class Signer:
    """Signs by the rules of swift's FormPost. Immutable; any thread."""

    def __init__(self, key: Secret, storage_url: str, defaults: Upload) -> None:
        self._key = key
        self._storage_url = storage_url
        self._defaults = defaults

    def sign(self, wanted: Mapping[str, Any], log_path: str, now: float) -> dict[str, str]:
        """`wanted`: fields of Upload that differ from the defaults; `now`: epoch seconds."""
        upload = replace(self._defaults, **wanted)
        places = (upload.container, upload.file_path_prefix, log_path)
        url = "/".join(
            [self._storage_url.rstrip("/"), *(place.lstrip("/") for place in places if place)]
        )
        body = "\n".join(
            (
                urlsplit(url).path,
                "",  # where a browser would be sent afterwards
                str(upload.max_file_size),
                str(upload.max_file_count),
                str(int(now + upload.expiry)),
            )
        )
        signature = hmac.new(self._key.reveal().encode(), body.encode(), hashlib.sha1)
        prefix = f"SWIFT_{upload.name}"
        parameters = {
            f"{prefix}_URL": url,
            f"{prefix}_HMAC_BODY": body,
            f"{prefix}_SIGNATURE": signature.hexdigest(),
        }
        if upload.logserver_prefix:
            parameters[f"{prefix}_LOGSERVER_PREFIX"] = upload.logserver_prefix
        return parameters


class SwiftUploads:
    """The port `Uploads` of the core."""

    def __init__(
        self,
        login: Login | None,
        *,
        key: Secret | None,
        storage_url: str | None,
        send_key: bool,
        defaults: Upload,
        pauses: tuple[float, float] = (1.0, 64.0),
    ) -> None:
        """`login` None: there is nothing to log in for, key and storage are known. `pauses`: the
        first and the longest between two tries, seconds."""
        self._login = login
        self._key = key
        self._storage_url = storage_url
        self._send_key = send_key
        self._defaults = defaults
        self._pause, self._longest_pause = pauses
        self._signer: Signer | None = None
        #: set once uploads are signed
        self.ready = threading.Event()
        self._loop = Loop("swift", self._turn)
        if login is None and key is not None and storage_url is not None:
            self._use(key, storage_url)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()

    def sign(self, wanted: Mapping[str, Any], log_path: str, now: float) -> Mapping[str, str]:
        """SWIFT_ parameters; none before the login has worked."""
        signer = self._signer
        return signer.sign(wanted, log_path, now) if signer is not None else {}

    def _use(self, key: Secret, storage_url: str) -> None:
        self._signer = Signer(key, storage_url, self._defaults)
        self.ready.set()

    def _turn(self, stopping: threading.Event) -> None:
        if self.ready.is_set():
            stopping.wait()
            return
        try:
            self._set_up()
        except ConnectionLost as error:
            log.warning(
                "Uploads to swift cannot be signed, next try in %.0f s: %s", self._pause, error
            )
            stopping.wait(self._pause)
            self._pause = min(2 * self._pause, self._longest_pause)
        else:
            log.info("Uploads to swift are signed")

    def _set_up(self) -> None:
        """Raises ConnectionLost."""
        assert self._login is not None, "without a login all is known from the start"
        account = log_in(self._login)
        known = account.read_key()
        # The account's own outlives us: what was signed before a restart stays good.
        key = self._key or Secret(known or _make_key())
        logs.hide((key,))
        if self._send_key and key.reveal() != known:
            account.set_key(key)
        elif key.reveal() != known:
            log.warning("The swift account does not have our key, and is not to be told of it")
        self._use(key, self._storage_url or account.url)


def _make_key() -> str:
    letters = string.ascii_uppercase + string.digits
    return "".join(secrets.choice(letters) for _ in range(KEY_LETTERS))
