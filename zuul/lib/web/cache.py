"""StatusCache: the last document, renewed on request when it is older than its lifetime.

However many browsers ask, who owns the state is asked once at a time. While it does not answer,
they get the last document there is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Generic, Protocol, TypeVar

from zuul.lib.logs import fields

log = logging.getLogger("zuul.WebApp")


class Document(Protocol):
    """A state, ready to be sent."""

    @property
    def built_at(self) -> float:
        """Epoch seconds of the state."""
        ...


D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class CachedStatus(Generic[D]):
    """What a browser gets."""

    document: D
    #: it should have been renewed by now and could not be
    stale: bool


class StatusCache(Generic[D]):
    """Belongs to the web server's event loop."""

    def __init__(
        self,
        build: Callable[[], Awaitable[D]],
        *,
        lifetime_seconds: float,
        patience_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`build` makes a new document; it must end in time whatever happens."""
        self._build = build
        self._lifetime = lifetime_seconds
        self._patience = patience_seconds
        self._clock = clock
        self._document: D | None = None
        self._renewal: asyncio.Task[D] | None = None
        self._renewal_began = 0.0

    async def get(self) -> CachedStatus[D] | None:
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

    def headers(self, cached: CachedStatus[D]) -> dict[str, str]:
        """That say how old it is, and let any page read it."""
        built_at, lifetime = cached.document.built_at, self._lifetime
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"public, max-age={lifetime:.0f}",
            "Expires": formatdate(built_at + lifetime, usegmt=True),
            "Last-Modified": formatdate(built_at, usegmt=True),
            "Vary": "Accept-Encoding",
        }
        if cached.stale:
            age = int(time.time() - built_at)
            headers["Age"] = str(max(0, age))
            headers["Warning"] = '110 zuul "The scheduler does not answer, this is old"'
            log.warning("Served an old status %s", fields(age=age))
        return headers

    def _is_fresh(self, document: D) -> bool:
        # A clock that was set back makes no document immortal.
        return 0 <= self._clock() - document.built_at < self._lifetime

    def _renewed(self, renewal: asyncio.Task[D]) -> None:
        self._renewal = None
        if renewal.cancelled():
            return
        error = renewal.exception()
        if error is None:
            self._document = renewal.result()
        else:
            log.error("Status is not renewed %s", fields(reason=f"{type(error).__name__}: {error}"))
