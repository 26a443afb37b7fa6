"""The sandbox Jenkins' HTTP side: what happens to every request, with faults before and after."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from tests.sandbox.jenkins_faults import Fault, Faults, RequestLog, Seen
from tests.sandbox.jenkins_gate import refused
from tests.sandbox.jenkins_routes import DEEDS, Call, Place, page

MOST_BODY = 64 * 2**20
MODERN_VERSION = "2.387.3"
OLD_VERSION = "2.2.1"


class Site(Place, Protocol):
    """What a request needs."""

    faults: Faults
    requests: RequestLog

    @property
    def available(self) -> bool: ...


class RestSide:
    def __init__(self, site: Site) -> None:
        self._site = site

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    # -- around every request ------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        answer: web.Response | None = None
        try:
            answer = await self._spoilt(request)
        finally:
            seen = Seen(
                started,
                request.method,
                unquote(request.rel_url.raw_path),
                request.rel_url.raw_query_string,
                answer.status if answer is not None else 0,
                time.monotonic() - started,
            )
            self._site.requests.note(seen)
        if answer is None:
            cut(request)
            return web.Response()
        return answer

    async def _spoilt(self, request: web.Request) -> web.Response | None:
        """The answer after what the faults make of it; None cuts the line."""
        path = request.rel_url.raw_path
        query = request.rel_url.raw_query_string
        fault = self._site.faults.take(
            request.method, unquote(f"{path}?{query}" if query else path)
        )
        if fault is None:
            return await self._answered(request)
        await asyncio.sleep(fault.delay)
        spoils = fault.status is not None or fault.reset
        if spoils and not fault.after:
            return None if fault.reset else _error(fault)
        answer = await self._answered(request)
        await asyncio.sleep(fault.delay_after)
        if fault.reset:
            return None
        return _error(fault) if fault.status is not None else _distorted(fault, answer)

    async def _answered(self, request: web.Request) -> web.Response:
        if not self._site.available:
            answer = refused(503, "Please wait while Jenkins is getting ready to work")
        else:
            segments = _segments(request.rel_url.raw_path)
            answer = self._site.gate.refusal(request) or await self._routed(request, segments)
        if self._site.modern:
            answer.headers["X-Jenkins"] = MODERN_VERSION
            answer.headers["X-Hudson"] = "1.395"
        elif answer.status == 200 and answer.content_type == "text/html":
            answer.headers["X-Hudson"] = OLD_VERSION
        place = answer.headers.get("Location")
        if place is not None:
            answer.headers["Location"] = f"http://{request.host}/{place}"
        return answer

    async def _routed(self, request: web.Request, segments: list[str]) -> web.Response:
        if segments and segments[-1] in DEEDS and self._site.modern and request.method != "POST":
            return refused(405, "Form post required")
        body = b""
        form: dict[str, str] = dict(request.query)
        if request.method == "POST":
            if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
                posted = await request.post()
                form |= {name: value for name, value in posted.items() if isinstance(value, str)}
            else:
                body = await request.read()
        call = Call(self._site, request, form, body)
        return call.answer(segments) or refused(404, "Not Found")


def _segments(raw_path: str) -> list[str]:
    """The names of a path, `..` followed: old masters send people to such places."""
    segments: list[str] = []
    for part in filter(None, raw_path.split("/")):
        if part == "..":
            del segments[-1:]
        else:
            segments.append(unquote(part))
    return segments


def _error(fault: Fault) -> web.Response:
    assert fault.status is not None
    if fault.text:
        return web.Response(status=fault.status, text=fault.text, content_type="text/html")
    return refused(fault.status, "as the test wishes")


def _distorted(fault: Fault, answer: web.Response) -> web.Response:
    if fault.location is not None:
        answer.headers.pop("Location", None)
        if fault.location:
            answer.headers["Location"] = fault.location
    if fault.html:
        return page("Sign in")
    if fault.truncate is not None and isinstance(answer.body, bytes):
        cut_body = answer.body[: fault.truncate]
        return web.Response(body=cut_body, status=answer.status, content_type=answer.content_type)
    return answer


def cut(request: web.Request) -> None:
    """Reset the connection."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
