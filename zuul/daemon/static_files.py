"""The status page's files, read once at start: no path from a request ever reaches the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

#: what is served, by request path; anything else is 404
_SERVED = {
    "/": ("status.html", "text/html"),
    "/status.html": ("status.html", "text/html"),
    "/static/status.css": ("status.css", "text/css"),
    "/static/status.js": ("status.js", "text/javascript"),
    "/static/board.js": ("board.js", "text/javascript"),
    "/static/format.js": ("format.js", "text/javascript"),
    "/static/tree.js": ("tree.js", "text/javascript"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent."""

    body: bytes
    content_type: str
    etag: str


def read_static_files() -> dict[str, StaticFile]:
    """The page's files by request path."""
    folder = resources.files("zuul.daemon") / "static"
    files = {}
    for path, (name, content_type) in _SERVED.items():
        body = (folder / name).read_bytes()
        files[path] = StaticFile(body, content_type, hashlib.sha256(body).hexdigest()[:16])
    return files
