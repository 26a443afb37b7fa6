"""The web application over real sockets."""

import email.utils
import gzip
import json
import socket
import threading
import time
from concurrent.futures import Future
from http.client import HTTPConnection

import pytest

from zuul.config import parse_config
from zuul.daemon import web
from zuul.daemon.web import WebServer
from zuul.lib.web import doors

pytestmark = pytest.mark.integration

ITEM = {"id": "1,1", "project": "org/project", "live": True, "jobs": [{"name": "unit"}]}
SECOND = {"id": "2,1", "project": "org/project1", "live": True, "jobs": []}
QUEUE = {"name": "org/project", "window": 20, "heads": [[ITEM, SECOND]]}
DOCUMENT = {
    "last_reconfigured": 1,
    "pipelines": [{"name": "gate", "description": "Merges", "change_queues": [QUEUE]}],
}


class Source:
    """A scheduler that answers, hangs or fails."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0

    def request_snapshot(self) -> "Future[Source]":
        self.asked += 1
        future: Future[Source] = Future()
        if self.answers.is_set():
            future.set_result(self)
        return future

    def document(self) -> dict:
        return DOCUMENT


def make(source: Source, **options: object) -> WebServer:
    more = "".join(f"{key}={value}\n" for key, value in options.items())
    text = (
        "[gearman]\nserver=127.0.0.1\n[webapp]\nlisten_address=127.0.0.1\nport=0\n"
        f"[zuul]\nlayout_config=/l\n{more}"
    )
    return WebServer(parse_config(text, "zuul.conf"), source)


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def server(source):
    server = make(source, status_expiry=60)
    server.start()
    yield server
    server.stop()


def fetch(server: WebServer, path: str, method: str = "GET", headers: dict | None = None):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for key, value in (headers or {}).items():
            connection.putheader(key, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/status", "/status.json", "/status.json?t=1"])
def test_135_both_names_give_the_document(server, path):
    status, _, body = fetch(server, path)
    assert status == 200
    assert json.loads(body) == DOCUMENT


def test_134_headers(server):
    before = int(time.time())
    _, headers, body = fetch(server, "/status.json")
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "public, max-age=60"
    modified = email.utils.parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    expires = email.utils.parsedate_to_datetime(headers["Expires"]).timestamp()
    assert before <= modified <= time.time()
    assert expires == modified + 60
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "zuul"


@pytest.mark.parametrize(("change", "item"), [("1,1", ITEM), ("2,1", SECOND)])
def test_135_a_change_is_found(server, change, item):
    status, headers, body = fetch(server, f"/status/change/{change}")
    assert (status, json.loads(body)) == (200, [item])
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_an_unknown_change_is_an_empty_list(server):
    assert fetch(server, "/status/change/7,7")[::2] == (200, b"[]")


@pytest.mark.parametrize(
    "path",
    [
        "/status/foo",
        "/status/change/foo",
        "/status/change/1",
        "/status/change/1,1/",
        "/status/change/1,1x",
        "/status/",
        "/favicon.ico",
        "/static/",
        "/static/../web.py",
        "/static/%2e%2e/web.py",
        "/static/..%2fweb.py",
        "/../../etc/passwd",
        "//etc/passwd",
    ],
)
def test_135_anything_else_is_not_found(server, path):
    status, _, body = fetch(server, path)
    assert status == 404
    assert b"import" not in body


def test_a_document_that_did_not_change_is_not_sent_again(server):
    _, headers, _ = fetch(server, "/status.json")
    since = {"If-Modified-Since": headers["Last-Modified"]}
    status, again, body = fetch(server, "/status.json", headers=since)
    assert (status, body) == (304, b"")
    assert again["Access-Control-Allow-Origin"] == "*"
    old = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert fetch(server, "/status.json", headers=old)[0] == 200


def test_head_and_post_are_taken_for_get(server):
    _, _, whole = fetch(server, "/status.json")
    status, headers, body = fetch(server, "/status.json", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(len(whole))
    assert fetch(server, "/status.json", "POST")[0] == 200


def test_compressed_on_request(server):
    _, headers, body = fetch(server, "/status.json", headers={"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == "Accept-Encoding"
    assert json.loads(gzip.decompress(body))["pipelines"] == DOCUMENT["pipelines"]


def test_the_scheduler_is_asked_once_in_a_lifetime(server, source):
    for _ in range(5):
        fetch(server, "/status.json")
    assert source.asked == 1


def test_a_scheduler_that_never_answered(source, monkeypatch):
    monkeypatch.setattr(web, "PATIENCE_SECONDS", 0.05)
    source.answers.clear()
    server = make(source)
    server.start()
    status, headers, _ = fetch(server, "/status.json")
    assert (status, headers["Retry-After"]) == (503, "1")
    server.stop()


def test_a_scheduler_that_hangs_leaves_the_old_document(source, monkeypatch, caplog):
    monkeypatch.setattr(web, "PATIENCE_SECONDS", 0.05)
    server = make(source, status_expiry=0)
    server.start()
    assert fetch(server, "/status.json")[1]["Warning"] is None
    source.answers.clear()
    status, headers, body = fetch(server, "/status.json")
    assert (status, json.loads(body)["pipelines"]) == (200, DOCUMENT["pipelines"])
    assert headers["Warning"].startswith("110 ")
    assert "Served an old status" in caplog.text
    server.stop()


def test_a_document_that_cannot_be_made_is_told(source, monkeypatch, caplog):
    monkeypatch.setattr(source, "document", dict)
    server = make(source)
    server.start()
    assert fetch(server, "/status.json")[0] == 503
    assert "Status is not renewed" in caplog.text
    server.stop()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/status.html", "text/html; charset=utf-8"),
        ("/static/status.js", "text/javascript; charset=utf-8"),
        ("/static/status.css", "text/css; charset=utf-8"),
    ],
)
def test_the_status_page(server, path, content_type):
    status, headers, body = fetch(server, path)
    assert (status, headers["Content-Type"]) == (200, content_type)
    assert body
    again = {"If-None-Match": headers["ETag"]}
    assert fetch(server, path, headers=again)[::2] == (304, b"")


def test_the_page_has_nothing_inline_or_foreign(server):
    _, _, body = fetch(server, "/")
    page = body.decode()
    assert "<script>" not in page
    assert "<style" not in page
    assert " style=" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_a_taken_address_is_an_error_at_start(server, source):
    text = (
        "[gearman]\nserver=127.0.0.1\n[zuul]\nlayout_config=/l\n"
        f"[webapp]\nlisten_address=127.0.0.1\nport={server.port}\n"
    )
    second = WebServer(parse_config(text, "zuul.conf"), source)
    with pytest.raises(OSError, match=r"webapp\.port.*in use"):
        second.start()
    second.stop()


def test_too_many_connections_are_closed_at_once(source, monkeypatch):
    monkeypatch.setattr(doors, "MAX_CONNECTIONS", 2)
    server = make(source)
    server.start()
    held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(2)]
    for each in held:
        each.sendall(b"GET /status/foo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert each.recv(12) == b"HTTP/1.1 404"
    with socket.create_connection(("127.0.0.1", server.port), 5) as third:
        assert third.recv(1) == b""
    for each in held:
        each.close()
    server.stop()


def test_a_request_that_never_ends_is_closed(source, monkeypatch):
    monkeypatch.setattr(doors, "CONNECTION_SECONDS", 0.05)
    server = make(source)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), 5) as slow:
        slow.sendall(b"GET /status HTTP/1.1\r\nX-Slow: ")
        slow.settimeout(10)
        assert slow.recv(1) == b""
    server.stop()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /<script> HTTP/1.1\r\nX: \x01\r\n\r\n",
        b"<script> /status HTTP/1.1\r\n\r\n",
        b"POST /status HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n<script>\r\n",
    ],
)
def test_garbage_is_refused_and_survived(server, request_bytes, caplog):
    """Without quoting it, telling what we run on, or filling the log."""
    caplog.set_level("INFO")
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(request_bytes)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer[:12] in (b"HTTP/1.0 400", b"HTTP/1.1 400")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nServer: zuul\r\n" in head + b"\r\n"
    assert b"X-Content-Type-Options: nosniff" in head
    assert body == b"400: Bad Request"
    assert caplog.text == ""
    assert fetch(server, "/status.json")[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_taken_for_get_and_change_nothing(server, source, method):
    status, headers, body = fetch(server, "/status/change/1,1", method)
    assert (status, json.loads(body)) == (200, [ITEM])
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert source.asked == 1


def test_a_change_has_the_headers_of_the_document_it_is_from(server):
    _, whole, _ = fetch(server, "/status")
    _, part, body = fetch(server, "/status/change/1,1")
    for name in ("Content-Type", "Cache-Control", "Last-Modified", "Expires"):
        assert part[name] == whole[name]
    assert part["Content-Length"] == str(len(body))
    since = {"If-Modified-Since": part["Last-Modified"]}
    assert fetch(server, "/status/change/1,1", headers=since)[::2] == (304, b"")


def test_a_date_that_is_none_is_no_condition(server):
    for date in ("garbage", "", "Thu, 99 Foo 1970 00:00:00 GMT"):
        assert fetch(server, "/status", headers={"If-Modified-Since": date})[0] == 200


def test_errors_have_the_headers_of_pages(server):
    status, headers, body = fetch(server, "/status/<script>")
    assert (status, body) == (404, b"404: Not Found")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "zuul"


def test_a_document_that_is_past_its_lifetime_is_made_anew(source):
    server = make(source, status_expiry=0)
    server.start()
    try:
        fetch(server, "/status")
        fetch(server, "/status/change/1,1")
        assert source.asked == 2
        _, headers, _ = fetch(server, "/status")
        assert headers["Cache-Control"] == "public, max-age=0"
        assert headers["Expires"] == headers["Last-Modified"]
    finally:
        server.stop()
