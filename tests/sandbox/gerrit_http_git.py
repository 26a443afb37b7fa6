"""Anonymous git fetches over HTTP, at /PROJECT and /p/PROJECT, by the smart protocol."""

from __future__ import annotations

import re
from collections.abc import Callable

from aiohttp import web

from tests.sandbox.gerrit_git import Repository
from tests.sandbox.gerrit_packs import advertise_upload, answer_upload

_PATH = re.compile(
    r"^/(?:a/)?(?:p/)?(?P<project>.+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack)$"
)


async def answer_git(
    request: web.Request, path: str, find_repository: Callable[[str], Repository | None]
) -> web.Response | None:
    """The answer to a fetch; None if this is no request of git's."""
    found = _PATH.match(path)
    method = {"info/refs": "GET", "git-upload-pack": "POST"}
    if not found or request.method != method[found["service"]]:
        return None
    repository = find_repository(found["project"])
    if repository is None:
        return web.Response(status=404, text="Not Found\n")
    protocol = request.headers.get("Git-Protocol")
    if found["service"] == "git-upload-pack":
        body = await answer_upload(repository.path, await request.read(), protocol)
        return web.Response(body=body, content_type="application/x-git-upload-pack-result")
    if request.query.get("service") != "git-upload-pack":
        return web.Response(status=403, text="only git-upload-pack is served\n")
    body = await advertise_upload(repository.path, protocol)
    kind = "application/x-git-upload-pack-advertisement"
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": "no-cache"})
