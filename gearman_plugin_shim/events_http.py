"""EventsServer: the last build events of each node, as JSON over HTTP.

    GET /events                       all that is kept, oldest first, page by page
    GET /events?node=NAME&since=41    those of one node after number 41

The answer is {"id", "now", "last", "more", "events": [{"number", "at", "event", "build"}]}. Whoever
asks remembers `id` and `last`, and asks on at once while there is `more`; another `id` means that
the bridge was restarted and numbers began again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from gearman_plugin_shim.publisher import EventHistory, KeptEvent

log = logging.getLogger("zuul.ShimPublisher")

_REQUEST_SECONDS: Final = 10.0


class EventsServer:
    """Answers on a thread of its own until stopped. Raises OSError if it cannot listen."""

    def __init__(self, host: str, port: int, history: EventHistory) -> None:
        self._server = _Server((host, port), history)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="events-http"
        )
        self._thread.daemon = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5.0)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], history: EventHistory) -> None:
        self.history = history
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("Request for events broke off client=%s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/events":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "only /events is served here"})
            return
        query = parse_qs(parts.query, keep_blank_values=True)
        since = query.get("since", ["0"])[-1]
        if not (since.isascii() and since.isdigit()) or len(since) > 18:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "since: expected a whole number"})
            return
        node = query["node"][-1] if "node" in query else None
        history = self.server.history
        page = history.page(int(since), node)
        value = {
            "id": history.id,
            "now": time.time(),
            "last": page.last,
            "more": page.more,
            "events": [_wire(kept) for kept in page.events],
        }
        self._answer(HTTPStatus.OK, value)

    def _answer(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("Request for events %s", format % args)


def _wire(kept: KeptEvent) -> dict[str, Any]:
    return {
        "number": kept.number,
        "at": kept.at,
        "event": kept.event.word,
        "build": json.loads(kept.event.json),
    }
