"""WebServer: what nodepool has, for everybody to read and nobody to change (contract 18).

It knows the pool only by the views that it asks for, at most one a second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

from aiohttp import web

from nodepool.daemon.page import render
from nodepool.daemon.pool_thread import PoolView
from nodepool.model import Node
from nodepool.status import Table, dib_image_table, image_table, node_table
from zuul.lib.web.cache import StatusCache
from zuul.lib.web.files import read_static_files, serve_file
from zuul.lib.web.server import WebThread

#: how long a view is good for
LIFETIME_SECONDS: Final = 1.0
#: how long a browser waits for a new view before it gets the last one
PATIENCE_SECONDS: Final = 2.0
#: how long the pool may take to answer before it is asked anew
VIEW_SECONDS: Final = 60.0

_SERVED: Final = {"/static/nodepool.css": ("nodepool.css", "text/css")}
_TABLES: Final[Mapping[str, Callable[[PoolView], Table]]] = {
    "/node-list": lambda view: node_table(_by_place(view), view.at),
    "/image-list": lambda view: image_table(
        sorted(view.images, key=lambda each: (each.provider, each.image, each.id)), view.at
    ),
    "/dib-image-list": lambda view: dib_image_table(),
}


class ViewSource(Protocol):
    """Who owns the pool: the daemon. Any thread."""

    @property
    def is_at_work(self) -> bool: ...

    def request_view(self) -> Future[PoolView] | None:
        """None: it stands by."""
        ...


class Pages:
    """All pages of one view, each made when it is first asked for; on the encoder's thread."""

    def __init__(self, view: PoolView) -> None:
        self._view = view
        self._made: dict[str, bytes] = {}

    @property
    def built_at(self) -> float:
        return self._view.at

    def body(self, path: str) -> bytes:
        if path not in self._made:
            self._made[path] = self._make(path).encode("utf-8", "replace")
        return self._made[path]

    def _make(self, path: str) -> str:
        if path == "/":
            return render(self._view)
        table = _TABLES[path.removesuffix(".json")](self._view)
        if path.endswith(".json"):
            # The escape keeps `</script>` and its like out of pages that paste the text in.
            return json.dumps(table.json()).replace("<", "\\u003c")
        return table.text() + "\n"


class WebServer:
    """The web application of one nodepoold."""

    def __init__(self, address: str, port: int, source: ViewSource) -> None:
        self._source = source
        self._files = read_static_files("nodepool.daemon", _SERVED)
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="web-encoder")
        self._cache = StatusCache(
            self._build, lifetime_seconds=LIFETIME_SECONDS, patience_seconds=PATIENCE_SECONDS
        )
        self._thread = WebThread(
            address,
            port,
            setting="--web-port",
            name="nodepool",
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
        router.add_route("*", "/", self._page)
        for path in _TABLES:
            router.add_route("*", path, self._page)
            router.add_route("*", f"{path}.json", self._page)
        for path, file in self._files.items():
            router.add_route("*", path, serve_file(file))

    async def _build(self) -> Pages:
        wanted = self._source.request_view()
        if wanted is None:
            raise LookupError("this nodepoold stands by")
        async with asyncio.timeout(VIEW_SECONDS):
            return Pages(await asyncio.wrap_future(wanted))

    async def _page(self, request: web.Request) -> web.Response:
        cached = None
        if self._source.is_at_work:
            cached = await self._cache.get()
        if cached is None:
            text = "This nodepoold stands by for another, or does not answer yet.\n"
            return web.Response(status=503, text=text, headers={"Retry-After": "5"})
        headers = self._cache.headers(cached)
        since = request.if_modified_since
        if since is not None and int(cached.document.built_at) <= since.timestamp():
            return web.Response(status=304, headers=headers)
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._encoder, cached.document.body, request.path)
        kind = "text/html" if request.path == "/" else "text/plain"
        if request.path.endswith(".json"):
            return web.Response(body=body, content_type="application/json", headers=headers)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def _by_place(view: PoolView) -> list[Node]:
    """As the command line lists them."""
    return sorted(view.nodes, key=lambda node: (node.provider, node.label, node.id))
