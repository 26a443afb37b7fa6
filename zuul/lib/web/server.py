"""WebThread: one thread with an event loop of its own that serves an aiohttp application.

Any method is taken for GET: there is nothing here that a request could do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from aiohttp import web

from zuul.lib.logs import fields
from zuul.lib.web.doors import Doors
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.WebApp")

START_SECONDS = 30.0
STOP_SECONDS = 10.0
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
    "X-Content-Type-Options": "nosniff",
}


class WebThread:
    """`start` and `stop` once each."""

    def __init__(
        self,
        address: str,
        port: int,
        *,
        setting: str,
        name: str,
        make_routes: Callable[[web.UrlDispatcher], object],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`setting`: where people set the port; `name`: the header Server. `make_routes` and
        `on_end` are called on the loop."""
        self._address = address
        self._wanted_port = port
        self._setting = setting
        self._headers = {**_HEADERS_OF_ALL, "Server": name}
        self._make_routes = make_routes
        self._on_end = on_end
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

    def _run(self) -> None:
        run_guarded(lambda: asyncio.run(self._serve()), "serving web pages")
        if not self._started.done():
            self._started.set_exception(OSError("the web application did not start"))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(
            self._application(), access_log=None, logger=log, shutdown_timeout=STOP_SECONDS / 2
        )
        await runner.setup()
        assert runner.server is not None, "setup makes it"
        doors = Doors(runner.server, self._headers)
        sweeper = asyncio.create_task(doors.close_old())
        try:
            listener = await self._listen(doors)
            if listener is not None:
                await self._stopping.wait()
                await doors.close(listener)
        finally:
            sweeper.cancel()
            self._on_end()
            await runner.cleanup()

    async def _listen(self, doors: Doors) -> asyncio.Server | None:
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(doors.open, self._address, self._wanted_port)
        except OSError as error:
            text = (
                f"the web application cannot listen on {self._address} port {self._wanted_port}"
                f" ({self._setting}): {error}"
            )
            self._started.set_exception(OSError(text))
            return None
        port = listener.sockets[0].getsockname()[1]
        self._started.set_result(port)
        log.info("Web application listens %s", fields(address=self._address, port=port))
        return listener

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.on_response_prepare.append(self._add_headers)
        self._make_routes(application.router)
        return application

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)
