"""Requests to the web application: an answer of the contract, and the document as it was."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.test_web import DOCUMENT, Source, fetch, make
from tests.support.mutations import FUZZ, damaged
from zuul.daemon.web import WebServer

pytestmark = pytest.mark.integration

GOOD = b"GET /status/change/1,1?x=%20 HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"

segments = st.sampled_from(
    [
        *("status", "status.json", "change", "static", "status.js", "1,1", "%31,%31", "1,1%00"),
        *("..", "%2e%2e", "..%2f..", "%252e", "%c0%ae", "~root", ".git", "", "etc", "passwd"),
        *("status.json;x", "status.json%0d%0aX: y", "\u0661,\u0661", "999999999999999999999,1"),
    ]
)
paths = st.lists(segments, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
queries = st.sampled_from(["", "?", "?a=b", "?%", "?x=" + "y" * 300, "?callback=evil"])
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
headers = st.sampled_from(
    [
        *("", "If-Modified-Since: x", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"),
        *("If-None-Match: *", "Accept-Encoding: gzip, gzip;q=0", "Range: bytes=0-5", "Expect: x"),
        *("Content-Length: 5", "Transfer-Encoding: chunked", "X: \x01", "Origin: http://evil"),
        *("Upgrade: websocket\r\nConnection: upgrade", "Cookie: " + "a" * 4000, "Host: a"),
    ]
)
requests = st.builds(
    lambda method, path, query, header: (
        f"{method} {path}{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\r\n"
    ).encode(),
    methods,
    paths,
    queries,
    headers,
)


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    made = make(Source(), status_expiry=60)
    made.start()
    yield made
    made.stop()


def answer(port: int, data: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionError:
                return received
            if not piece:
                return received
            received += piece


def check(received: bytes) -> None:
    if not received:
        return
    head = received.partition(b"\r\n\r\n")[0]
    version, status, *_ = head.split(b" ", 2)
    assert version.startswith(b"HTTP/1.")
    assert status in (b"200", b"206", b"304", b"400", b"404", b"405", b"413", b"417", b"431")
    for leak in (b"Traceback", b"root:", b"import ", b"aiohttp", b"Python/"):
        assert leak not in received, leak
    assert b"\r\nServer: zuul" in head and b"\r\nX-Content-Type-Options: nosniff" in head


@FUZZ
@given(requests | damaged([GOOD, GOOD * 2]))
def test_requests(server: WebServer, data: bytes) -> None:
    check(answer(server.port, data))


def test_the_document_is_as_it_was(server: WebServer) -> None:
    status, _headers, body = fetch(server, "/status.json")
    assert (status, json.loads(body)) == (200, DOCUMENT)
