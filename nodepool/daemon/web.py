"""WebServer: what nodepool has, for everybody to read and nobody to change (contract 18).

It knows the pool only by the views that it asks for, at most one a second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final, Protocol

from aiohttp import web

from nodepool.daemon.page import render
from nodepool.daemon.pool_thread import PoolView
from nodepool.model import Node
from nodepool.status import (
    Table,
    dib_image_table,
    image_table,
    node_table,
    obstacle_table,
    provider_table,
)
from zuul.lib.web.site import StatusSite

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
    "/provider-list": lambda view: provider_table(_providers(view)),
    "/obstacle-list": lambda view: obstacle_table(view.obstacles, view.at),
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


class WebServer(StatusSite[Pages]):
    """The web application of one nodepoold."""

    absent = ("This nodepoold stands by for another, or does not answer yet.\n", 5)

    def __init__(self, address: str, port: int, source: ViewSource) -> None:
        self._source = source
        super().__init__(
            address,
            port,
            setting="--web-port",
            name="nodepool",
            package="nodepool.daemon",
            served=_SERVED,
            lifetime_seconds=LIFETIME_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
        )

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/", self._page)
        for path in _TABLES:
            router.add_route("*", path, self._page)
            router.add_route("*", f"{path}.json", self._page)

    async def build(self) -> Pages:
        wanted = self._source.request_view()
        if wanted is None:
            raise LookupError("this nodepoold stands by")
        async with asyncio.timeout(VIEW_SECONDS):
            return Pages(await asyncio.wrap_future(wanted))

    async def _page(self, request: web.Request) -> web.Response:
        if not self._source.is_at_work:
            raise self.is_absent()
        pages, headers = await self.find(request)
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self.encoder, pages.body, request.path)
        kind = "text/html" if request.path == "/" else "text/plain"
        if request.path.endswith(".json"):
            return web.Response(body=body, content_type="application/json", headers=headers)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def _by_place(view: PoolView) -> list[Node]:
    """As the command line lists them."""
    return sorted(view.nodes, key=lambda node: (node.provider, node.label, node.id))


def _providers(view: PoolView) -> list[tuple[str, int | None, int, int | None]]:
    """In the file's order, then those that have left it and have servers still."""
    configured, servers = view.config.providers, view.servers()
    return [
        (
            name,
            configured[name].max_servers if name in configured else None,
            servers[name],
            view.account_room.get(name),
        )
        for name in dict.fromkeys((*configured, *sorted(servers)))
    ]
