"""The gate's exceptions. Expected outcomes are values; these are for what broke.

The docstring of a class is its default message; evidence is kept as attributes.
"""

from __future__ import annotations

from collections.abc import Iterable

from zuul.lib.problems import ConfigError, Problem


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


class RequestError(ZuulError):
    """A request by a person cannot be met; the text goes back to them."""
