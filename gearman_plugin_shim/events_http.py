"""EventsServer: the last build events of each node, as JSON over HTTP.

    GET /events                       all that is kept, oldest first, page by page
    GET /events?node=NAME&since=41    those of one node after number 41

The answer is {"id", "now", "last", "more", "events": [{"number", "at", "event", "build"}]}. Whoever
asks remembers `id` and `last`, and asks on at once while there is `more`; another `id` means that
the bridge was restarted and numbers began again.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from gearman_plugin_shim.publisher import EventHistory, KeptEvent
from zuul.lib.web.server import WebThread


class EventsServer(WebThread):
    """A web server of one path."""

    def __init__(self, host: str, port: int, history: EventHistory) -> None:
        self._history = history
        super().__init__(
            host,
            port,
            setting="http_host and http_port in [publisher]",
            name="gearman-plugin-shim",
            make_routes=lambda router: router.add_route("*", "/events", self._events),
        )

    async def _events(self, request: web.Request) -> web.Response:
        since = request.query.getall("since", ["0"])[-1]
        if not (since.isascii() and since.isdigit()) or len(since) > 18:
            text = json.dumps({"error": "since: expected a whole number"})
            return web.Response(status=400, text=text, content_type="application/json")
        node = request.query.getall("node", [None])[-1]
        body = await asyncio.to_thread(self._page, int(since), node)
        return web.Response(body=body, content_type="application/json")

    def _page(self, since: int, node: str | None) -> bytes:
        page = self._history.page(since, node)
        value = {
            "id": self._history.id,
            "now": time.time(),
            "last": page.last,
            "more": page.more,
            "events": [_wire(kept) for kept in page.events],
        }
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _wire(kept: KeptEvent) -> dict[str, Any]:
    return {
        "number": kept.number,
        "at": kept.at,
        "event": kept.event.word,
        "build": json.loads(kept.event.json),
    }
