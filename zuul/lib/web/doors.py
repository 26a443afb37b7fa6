"""Doors: lets HTTP connections in, not too many, and shows each out after a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from zuul.lib.logs import fields

log = logging.getLogger("zuul.WebApp")

#: an idle connection is closed after this
KEEPALIVE_SECONDS = 15.0
#: any connection is closed after this, at the latest after twice this
CONNECTION_SECONDS = 60.0
MAX_CONNECTIONS = 512
#: how long what a client still sends is read, once it has its answer
LINGERING_SECONDS = 1.0
#: of the event loop, from the door until somebody is inside
TURNS = 5


class Doors:
    """Belongs to the web application's event loop. `headers`: of every response, errors too."""

    def __init__(self, server: web.Server, headers: Mapping[str, str]) -> None:
        self._server = server
        self._headers = headers

    def open(self) -> asyncio.BaseProtocol:
        if len(self._server.connections) >= MAX_CONNECTIONS:
            return _Closed()
        return _Visit(self._server, self._headers)

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

    async def close(self, listener: asyncio.Server) -> None:
        """Let nobody in any more, and show everybody out; no answer is waited for."""
        # Closed at once, it would lose the sockets of those who are just coming in (CPython 3.11).
        for door in listener.sockets:
            asyncio.get_running_loop().remove_reader(door.fileno())
        for _ in range(TURNS):
            await asyncio.sleep(0)
        listener.close()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


class _Visit(web.RequestHandler):
    """One connection.

    aiohttp would log a trace for every request that is no HTTP, quote the request in its answer,
    and say there which version of what it is.
    """

    __slots__ = ("_headers",)

    def __init__(self, server: web.Server, headers: Mapping[str, str]) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # as AppRunner has it
            logger=log,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
        )
        self._headers = headers

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        about = fields(host=request.remote, status=status, error=type(exc).__name__)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("Request failed %s", about, exc_info=exc)
        else:
            log.debug("Request is no HTTP and is refused %s", about)
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent already")
        text = f"{status}: {HTTPStatus(status).phrase}"
        response = web.Response(status=status, text=text, headers=self._headers)
        response.force_close()
        return response


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
