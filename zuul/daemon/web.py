"""WebServer: status.json and the status page, for everybody to read and nobody to change.

It knows the gate only by the snapshots that it asks for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol

from aiohttp import web

from zuul.config import ZuulConfig
from zuul.daemon.status_document import StatusDocument, encode_status
from zuul.lib.web.site import StatusSite

#: how long a browser waits for a new document before it gets the last one
PATIENCE_SECONDS = 2.0
#: how long the scheduler may take to answer before it is asked anew
SNAPSHOT_SECONDS = 60.0

#: what is served, by request path; anything else is 404
_SERVED: Final = {
    "/": ("status.html", "text/html"),
    "/status.html": ("status.html", "text/html"),
    "/static/status.css": ("status.css", "text/css"),
    "/static/status.js": ("status.js", "text/javascript"),
    "/static/board.js": ("board.js", "text/javascript"),
    "/static/format.js": ("format.js", "text/javascript"),
    "/static/tree.js": ("tree.js", "text/javascript"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Snapshot(Protocol):
    """The state of the gate at one moment; safe to read on any thread."""

    def document(self) -> Mapping[str, Any]:
        """As reference/web.rst has it."""
        ...


class SnapshotSource(Protocol):
    """Who owns the state: the scheduler's thread."""

    def request_snapshot(self) -> Future[Any]:
        """A Snapshot, taken between two events. Any thread."""
        ...


class WebServer(StatusSite[StatusDocument]):
    """The web application of one zuul-server."""

    absent = ("The scheduler does not answer yet.\n", 1)

    def __init__(self, config: ZuulConfig, source: SnapshotSource) -> None:
        self._source = source
        super().__init__(
            config.webapp.listen_address,
            config.webapp.port,
            setting="webapp.port",
            name="zuul",
            package="zuul.daemon",
            served=_SERVED,
            lifetime_seconds=config.zuul.status_expiry,
            patience_seconds=PATIENCE_SECONDS,
        )

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/status", self._status)
        router.add_route("*", "/status.json", self._status)
        router.add_route("*", r"/status/change/{change:[0-9]+,[0-9]+}", self._change)

    async def build(self) -> StatusDocument:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SNAPSHOT_SECONDS):
            snapshot = await asyncio.wrap_future(self._source.request_snapshot())
            return await loop.run_in_executor(self.encoder, _encode, snapshot, time.time())

    async def _status(self, request: web.Request) -> web.Response:
        document, headers = await self.find(request)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return _json(document.gzipped, headers)
        return _json(document.body, headers)

    async def _change(self, request: web.Request) -> web.Response:
        document, headers = await self.find(request)
        return _json(document.change_body(request.match_info["change"]), headers)


def _json(body: bytes, headers: dict[str, str]) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers=headers)


def _encode(snapshot: Snapshot, now: float) -> StatusDocument:
    return encode_status(snapshot.document(), now)
