"""What every request passes: its kind, faults and rate limits, its token, its microversion."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.sandbox.nova_errors import ApiError, bad, response
from tests.sandbox.nova_faults import Fault, Faults, RequestLog, Seen
from tests.sandbox.nova_model import User
from tests.sandbox.nova_rows import Version

log = logging.getLogger("sandbox.nova")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OLDEST: Version = (2, 1)
NEWEST: Version = (2, 104)
USER: web.RequestKey[User] = web.RequestKey("user", User)
VERSION: web.RequestKey[tuple] = web.RequestKey("version", tuple)  # type: ignore[type-arg]
#: A client that is given no answer for so long is cut off.
SILENCE_SECONDS = 3600.0


@dataclass(slots=True)
class Token:
    user: User = field(repr=False)
    #: monotonic
    ends: float


class Tokens:
    """Those that were given out."""

    def __init__(self, seconds: float = 3600.0) -> None:
        self.seconds = seconds
        self._known: dict[str, Token] = {}

    def issue(self, user: User) -> str:
        word = "gAAAAA" + secrets.token_urlsafe(120)
        self._known[word] = Token(user, time.monotonic() + self.seconds)
        return word

    def user(self, word: str) -> User | None:
        token = self._known.get(word)
        return token.user if token is not None and token.ends > time.monotonic() else None

    def expire(self) -> None:
        """None of those given out so far is good any more."""
        self._known.clear()


class Gate:
    """One middleware for all services, whose first word in the path is their name."""

    def __init__(self, faults: Faults, requests: RequestLog, tokens: Tokens) -> None:
        self.faults = faults
        self.requests = requests
        self.tokens = tokens
        self._kinds: dict[tuple[str, str], str] = {}
        #: kinds that need no token
        self._open: set[str] = {"token", "versions"}

    def add(self, app: web.Application, kind: str, method: str, path: str, do: Handler) -> None:
        """A route, and what its requests are counted as."""
        route = app.router.add_route(method, path, do)
        assert route.resource is not None
        self._kinds[method, route.resource.canonical] = kind

    async def kind_of(self, request: web.Request) -> str:
        """Such as servers.create; an action of a server is servers.NAME; "unknown" if there is
        no such route."""
        resource = request.match_info.route.resource
        kind = self._kinds.get((request.method, resource.canonical if resource else ""), "unknown")
        if kind != "servers.action":
            return kind
        try:
            body = json.loads(await request.read())
        except ValueError:
            return kind
        names = [name for name in body if isinstance(name, str)] if isinstance(body, dict) else []
        return f"servers.{names[0]}" if names else kind

    def middleware(self) -> Any:
        @web.middleware
        async def pass_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = time.monotonic()
            kind = await self.kind_of(request)
            if kind == "sandbox":
                return await handler(request)
            status = 0
            try:
                answer = await self._pass(request, kind, handler)
                status = answer.status
                return answer
            finally:
                took = time.monotonic() - began
                self.requests.note(Seen(began, kind, request.method, request.path_qs, status, took))

        return pass_gate

    async def _pass(self, request: web.Request, kind: str, handler: Handler) -> web.StreamResponse:
        service = request.path.split("/")[1] if request.path.count("/") else "identity"
        fault = self.faults.take(kind) or Fault(kind)
        seconds = self.faults.delay(kind) + fault.delay
        if seconds:
            await asyncio.sleep(seconds)
        try:
            if not fault.after:
                await self._suffer(request, fault)
            held = self.faults.wait(kind, time.monotonic())
            if held is not None:
                raise ApiError(held[1], "This request was rate-limited.", held[0])
            answer = await self._serve(request, kind, service, handler)
            if fault.after:
                await self._suffer(request, fault)
        except ApiError as error:
            # What has no route is answered by the web server, not by the service.
            answer = response("image" if kind == "unknown" else service, error)
        if fault.garbage:
            answer = web.Response(text="<html>oops", content_type="application/json")
        return self._stamped(request, service, answer)

    async def _suffer(self, request: web.Request, fault: Fault) -> None:
        if fault.silent:
            await asyncio.sleep(SILENCE_SECONDS)
        if (fault.silent or fault.reset) and request.transport is not None:
            request.transport.abort()
            raise asyncio.CancelledError
        if fault.status is not None:
            raise ApiError(fault.status, fault.message, fault.retry_after)

    async def _serve(
        self, request: web.Request, kind: str, service: str, handler: Handler
    ) -> web.StreamResponse:
        if kind not in self._open:
            user = self.tokens.user(request.headers.get("X-Auth-Token", ""))
            if user is None:
                raise ApiError(401, "The request you have made requires authentication.")
            request[USER] = user
        if service == "compute":
            request[VERSION] = asked_version(request)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            raise ApiError(error.status, error.reason) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # Bodies of another shape than the service wants end here, unless they were looked at.
            log.info("%s %s: %r", request.method, request.path, error, exc_info=True)
            raise bad(f"Malformed request body: {error!r}") from error

    def _stamped(
        self, request: web.Request, service: str, answer: web.StreamResponse
    ) -> web.StreamResponse:
        request_id = f"req-{secrets.token_hex(16)}"
        answer.headers["x-openstack-request-id"] = request_id
        if service == "compute":
            answer.headers["x-compute-request-id"] = request_id
            version = request.get(VERSION)
            if version is not None:
                text = f"{version[0]}.{version[1]}"
                answer.headers["OpenStack-API-Version"] = f"compute {text}"
                answer.headers["X-OpenStack-Nova-API-Version"] = text
                answer.headers["Vary"] = "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
        if service == "identity":
            answer.headers["Vary"] = "X-Auth-Token"
        return answer


def asked_version(request: web.Request) -> Version:
    """The microversion a request wants; 406 if there is no such, 400 if it is none."""
    text = request.headers.get("OpenStack-API-Version", "")
    if text.lower().startswith("compute "):
        text = text.split(None, 1)[1]
    else:
        text = request.headers.get("X-OpenStack-Nova-API-Version", "2.1")
    text = text.strip()
    if text == "latest":
        return NEWEST
    found = re.fullmatch(r"([1-9]\d*)\.([1-9]\d*|0)", text)
    if found is None:
        raise bad(
            f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
        )
    version = int(found[1]), int(found[2])
    if not OLDEST <= version <= NEWEST:
        raise ApiError(
            406,
            f"Version {text} is not supported by the API. Minimum is 2.1 and maximum is "
            f"{NEWEST[0]}.{NEWEST[1]}.",
        )
    return version


def until(request: web.Request, last: Version) -> Version:
    """The request's microversion; 404 if it is later than the last that has such a thing."""
    version: Version = request[VERSION]
    if version > last:
        raise ApiError(404, "The resource could not be found.")
    return version


async def json_body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise bad("Malformed request body") from error
    if not isinstance(body, dict):
        raise bad("Malformed request body")
    return body
