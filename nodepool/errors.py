"""Nodepool's exceptions. Expected outcomes are values; these are for what broke.

The docstring of a class is its default message; evidence is kept as attributes. The edges raise
them among themselves; what the core is told is an event with a `Fault`.
"""

from __future__ import annotations

from zuul.lib.sql.errors import DatabaseError, DatabaseUnavailable
from zuul.lib.sql.errors import RowConflict as DatabaseRowConflict


class NodepoolError(Exception):
    """Nodepool met a problem."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ProviderError(NodepoolError):
    """A cloud did not do what was asked."""

    def __init__(self, message: str = "", *, provider: str = "") -> None:
        super().__init__(message)
        self.provider = provider


class QuotaExceeded(ProviderError):
    """The cloud account has no room for more."""


class ProviderRefused(ProviderError):
    """The cloud said no, and did nothing."""


class ProviderThrottled(ProviderError):
    """The cloud wants fewer calls, and did nothing."""

    def __init__(self, message: str = "", *, provider: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, provider=provider)
        #: seconds; 0: it did not say
        self.retry_after = retry_after


class ProviderLacks(ProviderError):
    """What was asked for cannot be: the cloud has no such flavor, image or network."""


class ServerNotFound(ProviderError):
    """The cloud knows no such server."""


class ServerFault(ProviderError):
    """The server went to ERROR."""


class ProviderTimeout(ProviderError):
    """The cloud did not answer in time; whether it did what was asked is unknown."""


class LaunchError(NodepoolError):
    """A node could not be made ready."""

    def __init__(self, message: str = "", *, stat_key: str = "error.unknown") -> None:
        super().__init__(message)
        #: the last part of the statsd key `nodepool.launch.…`
        self.stat_key = stat_key


class ImageError(NodepoolError):
    """An image could not be built."""


class TargetError(NodepoolError):
    """A target did not do what was asked."""


class TargetUnavailable(TargetError):
    """A target did not answer, or not now: the same call may do later."""


class NoTurn(TargetError):
    """A call to a target waited too long for its turn; nothing was asked."""


class TargetLacks(TargetError):
    """A target has no such thing."""


class BuildEventError(NodepoolError):
    """A ZeroMQ message is no build event."""


# Of the database; not NodepoolErrors, as its code is shared.
StoreError = DatabaseError
StoreUnavailable = DatabaseUnavailable
RowConflict = DatabaseRowConflict
