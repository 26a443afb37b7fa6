"""A page's files, read once at start: no path from a request ever reaches the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

#: what the pages of all daemons have in common, by request path
BASE = {"/static/base.css": ("base.css", "text/css")}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent."""

    body: bytes
    content_type: str
    etag: str


def read_static_files(package: str, served: Mapping[str, tuple[str, str]]) -> dict[str, StaticFile]:
    """By request path. `served`: request path -> name in the package's folder `static`, type."""
    return {**_read("zuul.lib.web", BASE), **_read(package, served)}


def _read(package: str, served: Mapping[str, tuple[str, str]]) -> dict[str, StaticFile]:
    folder = resources.files(package) / "static"
    files = {}
    for path, (name, content_type) in served.items():
        body = (folder / name).read_bytes()
        files[path] = StaticFile(body, content_type, hashlib.sha256(body).hexdigest()[:16])
    return files


def serve_file(file: StaticFile) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that answers with the file."""

    async def serve(request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=60", "ETag": f'"{file.etag}"'}
        if any(tag.value == file.etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
        )

    return serve
