"""Gerrit's REST API at `baseurl`: what SSH does not tell. Needs the connection's `password`.

Submit requirements, and what a submit would drag in. The password goes to `baseurl` and nowhere
else: redirections are not followed.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import requests
from requests.auth import HTTPBasicAuth

from zuul.drivers.gerrit.fields import FieldError, read_id
from zuul.drivers.gerrit.records import parse_requirements
from zuul.errors import ConnectionLost, DriverError
from zuul.model.change import SubmitRequirement

log = logging.getLogger("zuul.GerritConnection")

XSSI_PREFIX = ")]}'"
TIMEOUT_SECONDS = (10.0, 30.0)

Requirements = tuple[SubmitRequirement, ...] | None


class Password(Protocol):
    def reveal(self) -> str: ...


class RestConfig(Protocol):
    """What of zuul.config.GerritConnectionConfig REST needs."""

    @property
    def name(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def baseurl(self) -> str: ...
    @property
    def password(self) -> Password | None: ...
    @property
    def verify_ssl(self) -> bool: ...
    @property
    def ca_file(self) -> Path | None: ...


class Rest:
    """Read-only calls; any thread, each with a session of its own."""

    def __init__(self, config: RestConfig, password: Password) -> None:
        self._config = config
        self._password = password
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def fetch_requirements(self, numbers: Iterable[str]) -> dict[str, Requirements]:
        """Submit requirements by change number; a change the server does not show is absent.

        Raises ConnectionLost, DriverError.
        """
        wanted = list(numbers)
        if not wanted:
            return {}
        query = " OR ".join(f"change:{number}" for number in wanted)
        found = self._get("changes/", [("q", query), ("o", "SUBMIT_REQUIREMENTS")])
        if not isinstance(found, list):
            raise self._error("changes/: expected a list")
        try:
            return {read_id(info, "_number"): parse_requirements(info) for info in found}
        except FieldError as error:
            raise self._error(f"changes/: {error}") from error

    def fetch_submitted_together(self, number: str) -> list[str]:
        """Numbers of all changes that a submit of `number` would merge now, itself among them.

        Empty if it would merge alone. Raises ConnectionLost, DriverError.
        """
        found = self._get(f"changes/{number}/submitted_together", [("o", "NON_VISIBLE_CHANGES")])
        if not isinstance(found, dict) or not isinstance(found.get("changes"), list):
            raise self._error("submitted_together: expected an object with changes")
        try:
            numbers = [read_id(info, "_number", "submitted_together.") for info in found["changes"]]
        except FieldError as error:
            raise self._error(str(error)) from error
        hidden = found.get("non_visible_changes")
        return numbers + ["hidden"] * (hidden if isinstance(hidden, int) else 0)

    def close(self) -> None:
        for session in list(self._sessions):
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.auth = HTTPBasicAuth(self._config.user, self._password.reveal())
            session.verify = str(self._config.ca_file or "") or self._config.verify_ssl
            session.headers["Accept"] = "application/json"
            self._local.session = session
            self._sessions.append(session)
        return session

    def _get(self, path: str, parameters: list[tuple[str, str]]) -> Any:
        url = f"{self._config.baseurl}/a/{path}"
        try:
            answer = self._session().get(
                url, params=parameters, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ConnectionLost(f"REST {path}: {error}", connection=self._config.name) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ConnectionLost(
                f"REST {path}: HTTP {answer.status_code}", connection=self._config.name
            )
        if answer.status_code in (401, 403):
            raise self._error(
                f"{path}: HTTP {answer.status_code}, check user and password of the connection"
            )
        if answer.status_code != 200:
            raise self._error(f"{path}: HTTP {answer.status_code} {answer.text[:100].strip()!r}")
        return self._parse(path, answer.text)

    def _parse(self, path: str, text: str) -> Any:
        try:
            return json.loads(text.removeprefix(XSSI_PREFIX))
        except (ValueError, RecursionError) as error:
            raise self._error(f"{path}: not JSON: {error}") from error

    def _error(self, text: str) -> DriverError:
        return DriverError(f"REST {text}", connection=self._config.name)


def make_rest(config: RestConfig) -> Rest | None:
    """None without a password."""
    return Rest(config, config.password) if config.password is not None else None
