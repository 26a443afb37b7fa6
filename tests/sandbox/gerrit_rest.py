"""The HTTP side: REST with basic authentication, and anonymous git fetches."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import quote, unquote

from aiohttp import web

from tests.sandbox.endpoint import XSSI_PREFIX
from tests.sandbox.gerrit_commands import VERSION
from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_git import Repository
from tests.sandbox.gerrit_http_git import answer_git
from tests.sandbox.gerrit_model import Account, Change, PatchSet, Store
from tests.sandbox.gerrit_query import QueryError, find_changes
from tests.sandbox.gerrit_rest_rows import RestRows
from tests.sandbox.gerrit_reviews import Refused, Reviews
from tests.sandbox.gerrit_rules import Rules
from tests.sandbox.gerrit_submit import Submitter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 16 * 1024 * 1024


class Host(Protocol):
    """What the HTTP side needs of the server."""

    store: Store
    rules: Rules
    faults: Faults
    reviews: Reviews
    submitter: Submitter
    rest_rows: RestRows

    def now(self) -> int: ...
    def password_of(self, username: str) -> str | None: ...
    def account(self, username: str) -> Account | None: ...
    def find_repository(self, project: str) -> Repository | None: ...
    async def wait(self, command: str) -> None: ...


class Failure(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class RestSide:
    """The aiohttp application of one server."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = [
            ("GET", re.compile(r"/config/server/version"), self._version),
            ("GET", re.compile(r"/accounts/self"), self._self),
            ("GET", re.compile(r"/changes/?"), self._query),
            ("GET", re.compile(r"/changes/([^/]+)(?:/detail)?"), self._change),
            ("PUT", re.compile(r"/changes/([^/]+)/topic"), self._topic),
            ("POST", re.compile(r"/changes/([^/]+)/(abandon|restore|wip|ready)"), self._state),
            ("GET", re.compile(r"/changes/([^/]+)/submitted_together"), self._together),
            ("POST", re.compile(r"/changes/([^/]+)/submit"), self._submit),
            ("GET", re.compile(r"/changes/([^/]+)/revisions/([^/]+)/related"), self._related),
            ("GET", re.compile(r"/changes/([^/]+)/revisions/([^/]+)/mergeable"), self._mergeable),
            ("POST", re.compile(r"/changes/([^/]+)/revisions/([^/]+)/review"), self._review),
            ("POST", re.compile(r"/changes/([^/]+)/revisions/([^/]+)/submit"), self._submit),
            ("GET", re.compile(r"/projects/([^/]+)/branches/(.+)"), self._branch),
            ("GET", re.compile(r"/projects/"), self._projects),
            ("GET", re.compile(r"/projects/([^/]+)"), self._project),
        ]

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        fetched = await answer_git(request, unquote(path), self._host.find_repository)
        if fetched is not None:
            return fetched
        await self._host.wait("rest")
        if self._host.faults.rest_status is not None:
            return web.Response(status=self._host.faults.rest_status, text="fault\n")
        try:
            caller = self._caller(request)
            below = path.removeprefix("/a") if caller else path
            status, value = await self._route(request, below, caller)
        except Failure as failure:
            return _failure(failure)
        if status == 204:
            return web.Response(status=204)
        return web.Response(
            status=status,
            text=f"{XSSI_PREFIX}\n{json.dumps(value, ensure_ascii=False)}",
            content_type="application/json",
            charset="utf-8",
        )

    def _caller(self, request: web.Request) -> Account | None:
        """Who logged in; None for an anonymous call outside `/a/`."""
        if not request.path.startswith("/a/"):
            return None
        kind, _blank, value = request.headers.get("Authorization", "").partition(" ")
        try:
            username, _colon, password = (
                base64.b64decode(value, validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            raise Failure(401, "Unauthorized") from None
        expected = self._host.password_of(username)
        if kind.lower() != "basic" or expected is None or password != expected:
            raise Failure(401, "Unauthorized")
        return self._host.account(username)

    async def _route(
        self, request: web.Request, path: str, caller: Account | None
    ) -> tuple[int, Any]:
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(path)
            if found and method == request.method:
                if method != "GET" and caller is None:
                    raise Failure(403, "Authentication required")
                parts = [unquote(part) for part in found.groups()]
                result = handler(request, caller, *parts)
                value = await result if isinstance(result, Awaitable) else result
                return 200, value
        raise Failure(404, "Not Found")

    # -- changes -------------------------------------------------------------------------------

    def _query(self, request: web.Request, caller: Account | None) -> Any:
        host = self._host
        size = int(request.query.get("n", request.query.get("limit", "500")))
        start = int(request.query.get("S", request.query.get("start", "0")))
        answers = []
        texts = request.query.getall("q", ["status:open"])
        for text in texts:
            try:
                page = find_changes(host.store, host.rules, text, host.now(), start, size)
            except QueryError as error:
                raise Failure(400, str(error)) from None
            infos = [self._info(change, request, caller) for change in page.changes]
            if page.more and infos:
                infos[-1]["_more_changes"] = True
            answers.append(infos)
        return answers[0] if len(texts) == 1 else answers

    def _change(self, request: web.Request, caller: Account | None, name: str) -> Any:
        return self._info(self._find(name), request, caller)

    def _info(self, change: Change, request: web.Request, caller: Account | None) -> Any:
        return self._host.rest_rows.change(change, _options(request), caller or _NOBODY)

    def _find(self, name: str) -> Change:
        """A change by number, project~number, Change-Id or triplet."""
        store = self._host.store
        parts = name.split("~")
        found: list[Change] = []
        if parts[-1].isdigit():
            number = int(parts[-1])
            found = [store.changes[number]] if number in store.changes else []
        elif len(parts) == 3:
            one = store.find(parts[0], parts[1], parts[2])
            found = [one] if one else []
        elif len(parts) == 1:
            found = store.with_change_id(name)
        if len(found) != 1:
            what = "Multiple changes found for" if found else "Not found:"
            raise Failure(404, f"{what} {name}")
        return found[0]

    def _revision(self, change: Change, name: str) -> PatchSet:
        if name == "current":
            return change.current
        for patch_set in change.patch_sets:
            if name == str(patch_set.number) or patch_set.revision.startswith(name.lower()):
                return patch_set
        raise Failure(404, f"Not found: {name}")

    def _related(
        self, _request: web.Request, _caller: Account | None, name: str, revision: str
    ) -> Any:
        change = self._find(name)
        patch_set = self._revision(change, revision)
        return {"changes": self._host.rest_rows.related(change, patch_set)}

    def _mergeable(
        self, _request: web.Request, _caller: Account | None, name: str, revision: str
    ) -> Any:
        change = self._find(name)
        self._revision(change, revision)
        submit_type = self._host.store.projects[change.project].submit_type.value
        conflict = self._host.submitter.has_conflict(change)
        return {"submit_type": submit_type, "strategy": "recursive", "mergeable": not conflict}

    def _together(self, request: web.Request, caller: Account | None, name: str) -> Any:
        """Empty when the change would be submitted alone."""
        change = self._find(name)
        options = _options(request)
        together = self._host.submitter.submitted_together(change)
        wanted = options | {"CURRENT_REVISION", "SUBMITTABLE"}
        rows = self._host.rest_rows
        alone = len(together) < 2
        infos = [] if alone else [rows.change(c, wanted, caller or _NOBODY) for c in together]
        if "NON_VISIBLE_CHANGES" in options:
            return {"changes": infos, "non_visible_changes": 0}
        return infos

    # -- verbs ---------------------------------------------------------------------------------

    async def _review(self, request: web.Request, caller: Account, name: str, revision: str) -> Any:
        await self._host.wait("review")
        body = await _body(request)
        change = self._find(name)
        patch_set = self._revision(change, revision)
        labels = {str(k): int(v) for k, v in (body.get("labels") or {}).items()}
        message = str(body.get("message", ""))
        try:
            counted = self._host.reviews.review(
                change, patch_set, caller, message, labels, body.get("tag")
            )
        except Refused as refusal:
            status = 403 if "restricted" in str(refusal) else 409
            raise Failure(status, str(refusal)) from None
        return {"labels": counted} if labels else {}

    async def _submit(
        self, request: web.Request, caller: Account, name: str, revision: str = "current"
    ) -> Any:
        await self._host.wait("submit")
        await _body(request)
        change = self._find(name)
        try:
            self._host.submitter.submit(change, self._revision(change, revision), caller)
        except Refused as refusal:
            status = 403 if "not permitted" in str(refusal) else 409
            raise Failure(status, str(refusal)) from None
        return self._host.rest_rows.change(change, set(), caller)

    async def _state(self, request: web.Request, caller: Account, name: str, verb: str) -> Any:
        body = await _body(request)
        change = self._find(name)
        message = str(body.get("message", ""))
        reviews = self._host.reviews
        try:
            if verb == "abandon":
                reviews.abandon(change, caller, message)
            elif verb == "restore":
                reviews.restore(change, caller, message)
            else:
                reviews.set_wip(change, caller, verb == "wip")
                return ""
        except Refused as refusal:
            raise Failure(409, str(refusal)) from None
        return self._host.rest_rows.change(change, set(), caller)

    async def _topic(self, request: web.Request, caller: Account, name: str) -> Any:
        body = await _body(request)
        topic = str(body.get("topic", ""))
        self._host.reviews.set_topic(self._find(name), caller, topic)
        return topic

    # -- projects, accounts, server ------------------------------------------------------------

    def _branch(
        self, _request: web.Request, _caller: Account | None, project: str, branch: str
    ) -> Any:
        repository = self._host.find_repository(project)
        if repository is None:
            raise Failure(404, f"Not found: {project}")
        ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
        revision = repository.ref(ref)
        if revision is None:
            raise Failure(404, f"Not found: {branch}")
        return {"ref": ref, "revision": revision}

    def _project(self, _request: web.Request, _caller: Account | None, name: str) -> Any:
        if name not in self._host.store.projects:
            raise Failure(404, f"Not found: {name}")
        return {
            "id": quote(name, safe=""),
            "name": name,
            "parent": "All-Projects",
            "state": "ACTIVE",
        }

    def _projects(self, _request: web.Request, _caller: Account | None) -> Any:
        names = sorted(self._host.store.projects)
        return {name: {"id": quote(name, safe=""), "state": "ACTIVE"} for name in names}

    def _self(self, _request: web.Request, caller: Account | None) -> Any:
        if caller is None:
            raise Failure(403, "Resolving account 'self' requires login")
        return self._host.rest_rows.account(caller)

    def _version(self, _request: web.Request, _caller: Account | None) -> Any:
        return VERSION


_NOBODY = Account(0, "", "Anonymous", "")


def _options(request: web.Request) -> set[str]:
    return set(request.query.getall("o", []))


def _failure(failure: Failure) -> web.Response:
    headers = {}
    if failure.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Gerrit Code Review"'
    return web.Response(status=failure.status, text=f"{failure.text}\n", headers=headers)


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; aiohttp has undone gzip already."""
    text = await request.text()
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failure(400, f"Invalid json in request: {error}") from None
    if not isinstance(value, dict):
        raise Failure(400, "Invalid json in request: expected an object")
    return value
