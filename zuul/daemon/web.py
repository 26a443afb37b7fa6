"""WebServer: status.json and the status page, for everybody to read and nobody to change.

It knows the gate only by the snapshots that it asks for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

from aiohttp import web

from zuul.config import ZuulConfig
from zuul.daemon.status_document import StatusDocument, encode_status
from zuul.lib.web.cache import StatusCache
from zuul.lib.web.files import read_static_files, serve_file
from zuul.lib.web.server import WebThread

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


class WebServer:
    """The web application of one zuul-server."""

    def __init__(self, config: ZuulConfig, source: SnapshotSource) -> None:
        self._source = source
        self._files = read_static_files("zuul.daemon", _SERVED)
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="web-encoder")
        self._cache = StatusCache(
            self._build,
            lifetime_seconds=config.zuul.status_expiry,
            patience_seconds=PATIENCE_SECONDS,
        )
        self._thread = WebThread(
            config.webapp.listen_address,
            config.webapp.port,
            setting="webapp.port",
            name="zuul",
            make_routes=self._make_routes,
            on_end=self._cache.close,
        )

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return self._thread.port

    def start(self) -> None:
        """Listen; raises OSError if the address cannot be had."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything; returns within seconds."""
        self._thread.stop()
        self._encoder.shutdown(wait=False, cancel_futures=True)

    def _make_routes(self, router: web.UrlDispatcher) -> None:
        add = router.add_route
        add("*", "/status", self._status)
        add("*", "/status.json", self._status)
        add("*", r"/status/change/{change:[0-9]+,[0-9]+}", self._change)
        for path, file in self._files.items():
            add("*", path, serve_file(file))

    async def _build(self) -> StatusDocument:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SNAPSHOT_SECONDS):
            snapshot = await asyncio.wrap_future(self._source.request_snapshot())
            return await loop.run_in_executor(self._encoder, _encode, snapshot, time.time())

    async def _status(self, request: web.Request) -> web.Response:
        def pick(document: StatusDocument) -> tuple[bytes, str | None]:
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                return document.gzipped, "gzip"
            return document.body, None

        return await self._answer(request, pick)

    async def _change(self, request: web.Request) -> web.Response:
        change = request.match_info["change"]
        return await self._answer(request, lambda document: (document.change_body(change), None))

    async def _answer(
        self,
        request: web.Request,
        pick: Callable[[StatusDocument], tuple[bytes, str | None]],
    ) -> web.Response:
        cached = await self._cache.get()
        if cached is None:
            headers = {"Retry-After": "1"}
            text = "The scheduler does not answer yet.\n"
            return web.Response(status=503, text=text, headers=headers)
        headers = self._cache.headers(cached)
        since = request.if_modified_since
        if since is not None and int(cached.document.built_at) <= since.timestamp():
            return web.Response(status=304, headers=headers)
        body, encoding = pick(cached.document)
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return web.Response(body=body, content_type="application/json", headers=headers)


def _encode(snapshot: Snapshot, now: float) -> StatusDocument:
    return encode_status(snapshot.document(), now)
