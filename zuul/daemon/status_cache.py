"""StatusCache: the last document, renewed on request when it is older than its lifetime.

However many browsers ask, the scheduler is asked once at a time. While it does not answer, they get
the last document there is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zuul.daemon.status_document import StatusDocument
from zuul.lib.logs import fields

log = logging.getLogger("zuul.WebApp")

#: makes a new document; must end in time whatever happens
Build = Callable[[], Awaitable[StatusDocument]]


@dataclass(frozen=True, slots=True)
class CachedStatus:
    """What a browser gets."""

    document: StatusDocument
    #: it should have been renewed by now and could not be
    stale: bool


class StatusCache:
    """Belongs to the web server's event loop."""

    def __init__(
        self,
        build: Build,
        *,
        lifetime_seconds: float,
        patience_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._build = build
        self._lifetime = lifetime_seconds
        self._patience = patience_seconds
        self._clock = clock
        self._document: StatusDocument | None = None
        self._renewal: asyncio.Task[StatusDocument] | None = None
        self._renewal_began = 0.0

    async def get(self) -> CachedStatus | None:
        """The document, renewed if need be; None while there has never been one."""
        document = self._document
        if document is not None and self._is_fresh(document):
            return CachedStatus(document, stale=False)
        if self._renewal is None:
            self._renewal = asyncio.ensure_future(self._build())
            self._renewal.add_done_callback(self._renewed)
            self._renewal_began = time.monotonic()
        renewal = self._renewal
        # Who comes late waits only for the rest of the time: a scheduler that hangs is felt once.
        patience = self._renewal_began + self._patience - time.monotonic()
        await asyncio.wait([renewal], timeout=max(0.0, patience))
        if renewal.done() and not renewal.cancelled() and renewal.exception() is None:
            return CachedStatus(renewal.result(), stale=False)
        return None if self._document is None else CachedStatus(self._document, stale=True)

    def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()

    def _is_fresh(self, document: StatusDocument) -> bool:
        # A clock that was set back makes no document immortal.
        return 0 <= self._clock() - document.built_at < self._lifetime

    def _renewed(self, renewal: asyncio.Task[StatusDocument]) -> None:
        self._renewal = None
        if renewal.cancelled():
            return
        error = renewal.exception()
        if error is None:
            self._document = renewal.result()
        else:
            log.error("Status is not renewed %s", fields(reason=f"{type(error).__name__}: {error}"))
