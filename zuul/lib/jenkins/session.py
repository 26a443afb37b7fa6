"""JenkinsSession: one master's HTTP, with limits on everything and no surprises.

python-jenkins gives the session, the login, the crumb and its own calls where they are right. The
requests made here differ from its in what daemons cannot do without: no redirect is followed on
a POST (an old master answers a build request with one, and python-jenkins then reports a build that
is queued as failed), none leads to another host, a body has a largest size and a last moment, a
crumb that has expired is fetched again once, and nothing is ever posted twice.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import jenkins  # type: ignore[import-untyped]
import requests
from requests.adapters import HTTPAdapter

from zuul.lib.jenkins.errors import (
    JenkinsBadAnswer,
    JenkinsNotFound,
    JenkinsRefused,
    JenkinsUnavailable,
)
from zuul.lib.secret import Secret

log = logging.getLogger("zuul.Jenkins")

CONNECT_SECONDS: Final = 10.0
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: the master, or what stands before it, cannot answer now
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a master answered, its body read."""

    status: int
    #: header names in lower case
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class _GuardedSession(jenkins.WrappedSession):  # type: ignore[misc]
    """Follows redirects within the master only, and none unless asked to."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._origin = origin(server)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target: str | None = super().get_redirect_target(resp)
        if target is not None and origin(urljoin(resp.url, target)) != self._origin:
            raise requests.exceptions.InvalidURL("redirected to another host, not followed")
        return target

    def resolve_redirects(
        self, resp: Any, req: Any, *args: Any, yield_requests: bool = False, **kwargs: Any
    ) -> Iterator[Any]:
        if yield_requests:
            # Only wanted by those who look at what would have followed; nobody does.
            return iter(())
        return iter(super().resolve_redirects(resp, req, *args, **kwargs))


class JenkinsSession:
    """Requests to one master; any thread. Paths are relative to the configured URL."""

    def __init__(
        self,
        master: str,
        url: str,
        user: str | None,
        apikey: Secret | None,
        *,
        timeout_seconds: float = 30.0,
        connections: int = 4,
        ca: str | None = None,
    ) -> None:
        self.master = master
        self.user = user
        self._timeout = timeout_seconds
        password = apikey.reveal() if apikey is not None else None
        #: python-jenkins' own client, for its calls that are right
        self.client = jenkins.Jenkins(url, user, password, timeout=timeout_seconds)
        self._root = self.client.server
        session = _GuardedSession(self._root)
        session.headers.update(self.client._session.headers)
        # Hudson 2 calls its error pages gzip which are not.
        session.headers["Accept-Encoding"] = "identity"
        session.trust_env = False
        session.verify = ca or True
        session.max_redirects = _MAX_REDIRECTS
        adapter = HTTPAdapter(pool_maxsize=connections + 4, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        self.client._session.close()
        self.client._session = session
        self._session = session
        self._crumb_lock = threading.Lock()

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """GET, redirects within the master followed. Raises JenkinsError."""
        full = _with_query(path, query)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send("GET", full, None)
            self.check(path, answer)
            if answer.status not in _REDIRECTS:
                return answer
            full = self._next_path(path, answer)
        raise JenkinsBadAnswer(self.master, path, "redirects without end")

    def get_json(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET of an object in JSON. Raises JenkinsError, BadAnswer for anything else."""
        answer = self.get(path, query)
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            what = "HTML" if answer.body.lstrip()[:1] == b"<" else "no JSON"
            raise JenkinsBadAnswer(self.master, path, f"answers {what}") from error
        if not isinstance(value, dict):
            raise JenkinsBadAnswer(self.master, path, "answers JSON that is no object")
        return value

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> Answer:
        """POST once, with a crumb if the master wants one; whatever it answered, redirects too.

        A 403 with a crumb means that nothing was done: a new crumb is fetched and it is sent
        again. Raises JenkinsUnavailable when no answer came: the master may have acted.
        """
        headers = {"Content-Type": content_type} if content_type else {}
        crumb = self._crumb(path)
        answer = self._send("POST", path, form, body, headers | crumb)
        if answer.status == 403:
            fresh = self._crumb(path, instead_of=crumb)
            if fresh and fresh != crumb:
                log.info("Crumb was refused, sent again with a new one master=%s", self.master)
                answer = self._send("POST", path, form, body, headers | fresh)
        return answer

    def post_checked(self, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """POST whose answer has to say that it was done. Raises JenkinsError."""
        answer = self.post(path, form)
        self.check(path, answer)
        return answer

    def check(self, path: str, answer: Answer) -> None:
        """Raises JenkinsError for an answer that says the request was not done."""
        if answer.status == 404:
            raise JenkinsNotFound(self.master, path)
        if answer.status in _PASSING:
            raise JenkinsUnavailable(self.master, path, f"answers HTTP {answer.status}")
        if answer.status >= 400:
            raise JenkinsRefused(self.master, path, answer.status)
        if answer.status in _REDIRECTS and is_login(answer.headers.get("location", "")):
            raise JenkinsRefused(self.master, path, 401)

    # The pieces.

    def _next_path(self, path: str, answer: Answer) -> str:
        """Where a redirect leads, relative to the configured URL."""
        target = urljoin(self._root + path, answer.headers.get("location", ""))
        if not target.startswith(self._root):
            raise JenkinsBadAnswer(self.master, path, "redirects to another place")
        return str(target[len(self._root) :])

    def _crumb(self, path: str, instead_of: dict[str, str] | None = None) -> dict[str, str]:
        """The crumb's header; empty if the master has no crumbs. `instead_of`: a refused one."""
        with self._crumb_lock, self.mapped(path):
            if instead_of is not None and _crumb_header(self.client.crumb) == instead_of:
                self.client.crumb = None
            carrier = requests.Request("GET", self._root)
            # python-jenkins keeps the first crumb for good: hence `instead_of`.
            self.client._maybe_add_auth()
            self.client.maybe_add_crumb(carrier)
            return _crumb_header(self.client.crumb)

    def _send(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        deadline = time.monotonic() + self._timeout
        with self.mapped(path):
            # Sets the session's login; it has but one way to log in, so nothing is sent.
            self.client._maybe_add_auth()
            response = self._session.request(
                method,
                self._root + path,
                # Encoded here: a dictionary of text would be taken for Latin-1 by old masters.
                data=form if body is None else body,
                headers=dict(headers or {}),
                timeout=(min(CONNECT_SECONDS, self._timeout), self._timeout),
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = self._read(path, response, deadline)
        lower = {name.lower(): value for name, value in response.headers.items()}
        log.debug("%s %s master=%s status=%d", method, path, self.master, response.status_code)
        return Answer(response.status_code, lower, content)

    def _read(self, path: str, response: requests.Response, deadline: float) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_content(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise JenkinsBadAnswer(self.master, path, f"answers over {MAX_BODY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise JenkinsUnavailable(self.master, path, "answers too slowly")
        return b"".join(pieces)

    @contextmanager
    def mapped(self, path: str) -> Iterator[None]:
        """Errors of the libraries as ours; their texts may hold whole pages, so few words stay."""
        try:
            yield
        except (requests.Timeout, jenkins.TimeoutException) as error:
            raise JenkinsUnavailable(self.master, path, "does not answer in time") from error
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            raise JenkinsUnavailable(self.master, path, f"answers HTTP {status}") from error
        except requests.exceptions.InvalidURL as error:
            raise JenkinsBadAnswer(self.master, path, "redirects to another place") from error
        except requests.exceptions.SSLError as error:
            raise JenkinsUnavailable(self.master, path, "TLS certificate refused") from error
        except requests.RequestException as error:
            reason = f"cannot be reached: {type(error).__name__}"
            raise JenkinsUnavailable(self.master, path, reason) from error
        except jenkins.NotFoundException as error:
            raise JenkinsNotFound(self.master, path) from error
        except jenkins.JenkinsException as error:
            raise _refusal(self.master, path, str(error)) from error
        except ValueError as error:
            raise JenkinsBadAnswer(self.master, path, "answers no JSON") from error


def _refusal(master: str, path: str, text: str) -> JenkinsRefused | JenkinsUnavailable:
    """python-jenkins' one exception for 401, 403 and 500, told apart by its text."""
    for status in (401, 403):
        if f"[{status}]" in text[:100]:
            return JenkinsRefused(master, path, status)
    return JenkinsUnavailable(master, path, "answers HTTP 500")


def _crumb_header(crumb: Any) -> dict[str, str]:
    if not isinstance(crumb, dict):
        return {}
    return {str(crumb["crumbRequestField"]): str(crumb["crumb"])}


def _with_query(path: str, query: Mapping[str, str] | None) -> str:
    if not query:
        return path
    words = [f"{quote(key)}={quote(value, safe='[],{}')}" for key, value in query.items()]
    return f"{path}?{'&'.join(words)}"


def is_login(location: str) -> bool:
    """Whether a redirect sends us to log in."""
    path = location.partition("?")[0]
    return path.endswith(("/login", "/loginEntry")) or "/securityRealm/" in path


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what has to stay the same for a login to be sent along."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").lower(), port
