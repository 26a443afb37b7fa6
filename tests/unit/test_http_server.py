"""The HTTP server of tests tells what broke, but not that a client went."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from tests.support.http_server import CalmServer


@pytest.mark.parametrize(
    ("error", "told"),
    [(BrokenPipeError(), False), (ConnectionResetError(), False), (ValueError("wrong"), True)],
)
def test_what_is_told(error: Exception, told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with CalmServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        try:
            raise error
        except Exception:
            server.handle_error(None, ("127.0.0.1", 1))
    assert ("Traceback" in capsys.readouterr().err) is told
