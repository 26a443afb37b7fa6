"""What can go wrong with a Jenkins; each says which master and which path it was."""

from __future__ import annotations


class JenkinsError(Exception):
    """A request to a master did not do what it was to do."""

    def __init__(self, master: str, path: str, reason: str) -> None:
        self.master = master
        #: relative to the master's configured URL
        self.path = path
        self.reason = reason
        super().__init__(f"master {master} {reason} path=/{path}")


class JenkinsUnavailable(JenkinsError):
    """No answer, or one that says so: the same request may do later."""


class JenkinsBadAnswer(JenkinsUnavailable):
    """An answer that cannot be what the path answers: HTML, broken JSON, another host."""


class JenkinsNotFound(JenkinsError):
    """There is no such thing on the master."""

    def __init__(self, master: str, path: str) -> None:
        super().__init__(master, path, "has no such thing (HTTP 404)")


class JenkinsRefused(JenkinsError):
    """The master will not: login, permission, or a request it cannot use."""

    def __init__(self, master: str, path: str, status: int) -> None:
        self.status = status
        words = {401: "asks for a login", 403: "forbids it"}
        super().__init__(master, path, f"{words.get(status, 'refuses')} (HTTP {status})")
