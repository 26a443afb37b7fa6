"""Who may enter the sandbox Jenkins: users, API tokens, sessions and crumbs.

As in Jenkins, a crumb belongs to a session (a cookie), a POST needs one unless an API token
authenticates it, wrong credentials are 401 and none at all, where some are needed, 403.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import dataclass, field

from aiohttp import web

CRUMB_FIELD = "Jenkins-Crumb"
OLD_CRUMB_FIELD = ".crumb"
SESSION_COOKIE = "JSESSIONID.sandbox"


@dataclass(slots=True)
class User:
    """Both words may be changed while the server runs."""

    password: str = field(repr=False)
    token: str = field(repr=False)


class Gate:
    """`users` None is open to all."""

    def __init__(self, users: dict[str, User] | None, *, crumbs: bool, modern: bool) -> None:
        self.users = users
        self.crumbs = crumbs
        self.crumb_seconds = 3600.0
        self.field = CRUMB_FIELD if modern else OLD_CRUMB_FIELD
        #: crumb -> (session, monotonic time of its end)
        self._issued: dict[str, tuple[str, float]] = {}

    def refusal(self, request: web.Request) -> web.Response | None:
        """What to answer to somebody who may not come in, None for those who may."""
        by_token = False
        if "Authorization" in request.headers:
            known = self._known(request.headers["Authorization"])
            if known is None:
                return refused(401, "Invalid password/token for user")
            by_token = known == "token"
        elif self.users is not None:
            return refused(403, "Authentication required")
        if request.method == "POST" and self.crumbs and not by_token:
            return self._check_crumb(request)
        return None

    def issue(self, request: web.Request) -> web.Response:
        """A crumb for the session of the request, or for a new one."""
        if not self.crumbs:
            return refused(404, "Not Found")
        session = request.cookies.get(SESSION_COOKIE) or secrets.token_hex(8)
        crumb = secrets.token_hex(16)
        self._issued[crumb] = (session, time.monotonic() + self.crumb_seconds)
        answer = web.json_response(
            {
                "_class": "hudson.security.csrf.DefaultCrumbIssuer",
                "crumb": crumb,
                "crumbRequestField": self.field,
            }
        )
        answer.set_cookie(SESSION_COOKIE, session, path="/", httponly=True)
        return answer

    def expire_crumbs(self) -> None:
        """Those issued so far are void."""
        self._issued.clear()

    def _known(self, header: str) -> str | None:
        """ "token", "password", "open", or None for wrong credentials."""
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, word = base64.b64decode(text).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if self.users is None:
            return "open"
        user = self.users.get(name)
        if user is None:
            return None
        if secrets.compare_digest(user.token.encode(), word.encode()):
            return "token"
        return "password" if secrets.compare_digest(user.password.encode(), word.encode()) else None

    def _check_crumb(self, request: web.Request) -> web.Response | None:
        crumb = request.headers.get(self.field, "")
        session, end = self._issued.get(crumb, ("", 0.0))
        if crumb and end > time.monotonic() and request.cookies.get(SESSION_COOKIE) == session:
            return None
        return refused(403, "No valid crumb was included in the request")


def refused(status: int, reason: str) -> web.Response:
    """An error page as Jenkins has them: HTML, the reason in the middle."""
    page = (
        f"<html><head><title>Error {status}</title></head>"
        f"<body><h2>HTTP ERROR {status} {reason}</h2></body></html>"
    )
    headers = {"WWW-Authenticate": 'Basic realm="Jenkins"'} if status == 401 else {}
    return web.Response(status=status, text=page, content_type="text/html", headers=headers)
