"""The gate's exceptions. Expected outcomes are values; these are for what broke.

The docstring of a class is its default message; evidence is kept as attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zuul.lib.problems import ConfigError, Problem

#: characters of a message that says what is wrong with a request
MOST_TEXT: Final = 800


class ZuulError(Exception):
    """The gate met a problem."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class LayoutError(ConfigError, ZuulError):
    """The layout cannot be used."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ConfigError.__init__(self, problems)


class DriverError(ZuulError):
    """A remote system did not do what was asked."""

    def __init__(self, message: str = "", *, connection: str = "") -> None:
        super().__init__(message)
        self.connection = connection


class ConnectionLost(DriverError):
    """The connection broke or timed out; the same request may succeed later."""


class HostKeyRejected(DriverError):
    """The server's host key is unknown or has changed."""


class ChangeNotFound(DriverError):
    """The server knows no such change."""


class DependencyCycle(DriverError):
    """The change depends on itself through others."""


class TooManyDependencies(DriverError):
    """The change names more dependencies than are followed, or needs one that does."""


class ReportRejected(DriverError):
    """The server refused the report; it would refuse it again."""


class StreamError(DriverError):
    """A line of the event stream is not an event."""


class MergerError(ZuulError):
    """The merger cannot do what was asked."""


class RequestInvalid(MergerError):
    """A name or value that arrived from outside cannot be used."""

    def __init__(self, message: str) -> None:
        # It quotes what it complains of, which may be as long as a packet.
        super().__init__(message if len(message) <= MOST_TEXT else f"{message[:MOST_TEXT]}...")


class CloneError(ZuulError):
    """A project cannot be cloned as it was asked for."""

    def __init__(self, message: str = "", *, project: str = "") -> None:
        super().__init__(message)
        self.project = project


class RequestError(ZuulError):
    """A request by a person cannot be met; the text goes back to them."""
