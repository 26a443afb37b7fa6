"""An HTTP server for a test's own answers, which is calm about clients that go."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class CalmServer(ThreadingHTTPServer):
    """On a free port of 127.0.0.1 unless told; its threads end with the program."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who went in the middle of an answer did so on purpose; the rest is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
