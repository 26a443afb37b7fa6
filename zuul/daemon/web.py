"""WebServer: status.json and the status page, for everybody to read and nobody to change.

It runs on one thread with an event loop of its own, and knows the gate only by the snapshots that
it asks for. Any method is taken for GET: there is nothing here that a request could do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, Protocol

from aiohttp import web

from zuul.config import ZuulConfig
from zuul.daemon.static_files import StaticFile, read_static_files
from zuul.daemon.status_cache import CachedStatus, StatusCache
from zuul.daemon.status_document import StatusDocument, encode_status
from zuul.lib.logs import fields
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.WebApp")

START_SECONDS = 30.0
STOP_SECONDS = 10.0
#: how long a browser waits for a new document before it gets the last one
PATIENCE_SECONDS = 2.0
#: how long the scheduler may take to answer before it is asked anew
SNAPSHOT_SECONDS = 60.0
#: an idle connection is closed after this
KEEPALIVE_SECONDS = 15.0
#: any connection is closed after this, at the latest after twice this
CONNECTION_SECONDS = 60.0
MAX_CONNECTIONS = 512
#: we read no bodies, but a client may send one
MAX_BODY_BYTES = 1024

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS_OF_ALL = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Server": "zuul",
    "X-Content-Type-Options": "nosniff",
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
        self._address = config.webapp.listen_address
        self._wanted_port = config.webapp.port
        self._expiry = config.zuul.status_expiry
        self._source = source
        self._files = read_static_files()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="web-encoder")
        self._cache = StatusCache(
            self._build, lifetime_seconds=self._expiry, patience_seconds=PATIENCE_SECONDS
        )
        self._started: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return self._started.result(timeout=0)

    def start(self) -> None:
        """Listen; raises OSError if the address cannot be had."""
        self._thread.start()
        self._started.result(START_SECONDS)

    def stop(self) -> None:
        """Close everything; returns within seconds."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stopping.set)
            self._thread.join(STOP_SECONDS)
        self._encoder.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        run_guarded(lambda: asyncio.run(self._serve()), "serving web pages")
        if not self._started.done():
            self._started.set_exception(OSError("the web application did not start"))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=log,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=1.0,
            shutdown_timeout=STOP_SECONDS / 2,
        )
        await runner.setup()
        assert runner.server is not None, "setup makes it"
        doors = Doors(runner.server)
        sweeper = asyncio.create_task(doors.close_old())
        try:
            listener = await self._listen(doors)
            if listener is not None:
                await self._stopping.wait()
                listener.close()
        finally:
            sweeper.cancel()
            self._cache.close()
            await runner.cleanup()

    async def _listen(self, doors: Doors) -> asyncio.Server | None:
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(doors.open, self._address, self._wanted_port)
        except OSError as error:
            text = (
                f"the web application cannot listen on {self._address} port {self._wanted_port}"
                f" (webapp.port): {error}"
            )
            self._started.set_exception(OSError(text))
            return None
        port = listener.sockets[0].getsockname()[1]
        self._started.set_result(port)
        log.info("Web application listens %s", fields(address=self._address, port=port))
        return listener

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.on_response_prepare.append(_add_headers)
        add = application.router.add_route
        add("*", "/status", self._status)
        add("*", "/status.json", self._status)
        add("*", r"/status/change/{change:[0-9]+,[0-9]+}", self._change)
        for path, file in self._files.items():
            add("*", path, _serve_file(file))
        return application

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
        headers = self._headers(cached)
        since = request.if_modified_since
        if since is not None and int(cached.document.built_at) <= since.timestamp():
            return web.Response(status=304, headers=headers)
        body, encoding = pick(cached.document)
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _headers(self, cached: CachedStatus) -> dict[str, str]:
        built_at = cached.document.built_at
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"public, max-age={self._expiry}",
            "Expires": formatdate(built_at + self._expiry, usegmt=True),
            "Last-Modified": formatdate(built_at, usegmt=True),
            "Vary": "Accept-Encoding",
        }
        if cached.stale:
            age = int(time.time() - built_at)
            headers["Age"] = str(max(0, age))
            headers["Warning"] = '110 zuul "The scheduler does not answer, this is old"'
            log.warning("Served an old status %s", fields(age=age))
        return headers


def _encode(snapshot: Snapshot, now: float) -> StatusDocument:
    return encode_status(snapshot.document(), now)


class Doors:
    """Lets connections in, not too many, and shows each out after a time."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def open(self) -> asyncio.BaseProtocol:
        if len(self._server.connections) >= MAX_CONNECTIONS:
            return _Closed()
        return self._server()

    async def close_old(self) -> None:
        """Close what was open at the last sweep already; runs until cancelled.

        aiohttp bounds the time between two requests, but not that of a request that never ends.
        """
        before: set[asyncio.BaseProtocol] = set()
        while True:
            await asyncio.sleep(CONNECTION_SECONDS)
            for connection in self._server.connections:
                if connection in before:
                    connection.force_close()
            before = set(self._server.connections)


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS_OF_ALL)


def _serve_file(file: StaticFile) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=60", "ETag": f'"{file.etag}"'}
        if any(tag.value == file.etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
        )

    return serve
