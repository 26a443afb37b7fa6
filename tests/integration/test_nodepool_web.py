"""Nodepool's pages over real sockets."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import pytest
import requests

from nodepool.config import parse_config
from nodepool.core.obstacles import Hindrance, Obstacle
from nodepool.core.pauses import Place
from nodepool.daemon import web
from nodepool.daemon.pool_thread import PoolView
from nodepool.daemon.web import WebServer
from nodepool.model import Machine, Node, NodeState
from nodepool.status import node_table
from tests.unit.nodepool.core.site import CONFIG, ready_image

pytestmark = pytest.mark.integration

NODE = Node(2, "p", "one", "t", NodeState.USED, 1.0, (Machine("n"),), nodename="n-2", job="<b>")


class Source:
    def __init__(self) -> None:
        self.is_at_work = True
        self.asked = 0
        nodes = (NODE, replace(NODE, id=1, nodename="n-1"))
        now = time.time()
        paused = Obstacle(Place(provider="p"), Hindrance.PAUSED, "<no>", 2, now + 50.5)
        offline = Obstacle(Place(target="t"), Hindrance.OFFLINE, "503", since=7.5)
        self.view = PoolView(
            *(nodes, (ready_image(),), {}, parse_config(CONFIG, "site"), now),
            (paused, offline),
            {"p": 3},
        )

    def request_view(self) -> Future[PoolView] | None:
        self.asked += 1
        answer: Future[PoolView] = Future()
        answer.set_result(self.view)
        return answer if self.is_at_work else None


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def server(source: Source) -> Iterator[WebServer]:
    server = WebServer("127.0.0.1", 0, source)
    server.start()
    yield server
    server.stop()


def get(server: WebServer, path: str, **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{server.port}{path}"
    return requests.get(url, headers=headers, timeout=20)


def test_lists_are_those_of_the_command_line(server: WebServer, source: Source) -> None:
    answer = get(server, "/node-list")
    nodes = sorted(source.view.nodes, key=lambda node: node.id)
    assert answer.text == node_table(nodes, source.view.at).text() + "\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "template" in get(server, "/image-list").text
    assert get(server, "/dib-image-list").text.startswith("+----+-------+")


def test_lists_for_programs(server: WebServer) -> None:
    answer = get(server, "/node-list.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert [(row["id"], row["job"]) for row in answer.json()] == [(1, "<b>"), (2, "<b>")]
    assert "<" not in answer.text
    assert get(server, "/image-list.json").json()[0]["image"] == "i"
    assert get(server, "/dib-image-list.json").json() == []


def test_lists_of_what_is_in_the_way(server: WebServer, source: Source) -> None:
    answer = get(server, "/obstacle-list.json")
    until = int(source.view.at + 50.5)
    paused, offline = answer.json()
    assert paused == {
        "provider": "p",
        "label": None,
        "target": None,
        "state": "paused",
        "left": "00:00:00:50",
        "until": until,
        "since": None,
        "pauses": 2,
        "reason": "<no>",
    }
    assert (offline["target"], offline["state"], offline["since"]) == ("t", "offline", 7)
    assert "<" not in answer.text
    assert "| paused  |" in get(server, "/obstacle-list").text
    assert get(server, "/provider-list.json").json() == [
        {"provider": "p", "max_servers": 10, "servers": 2, "account_room": 3}
    ]
    assert get(server, "/provider-list").text.startswith("+----------+-------------+")


def test_the_page_and_its_files(server: WebServer) -> None:
    page = get(server, "/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;b&gt;" in page.text
    assert '<td class="why">&lt;no&gt;</td>' in page.text
    for path in ("/static/base.css", "/static/nodepool.css"):
        assert path[1:] in page.text
        assert get(server, path).headers["Content-Type"] == "text/css; charset=utf-8"


def test_headers_of_the_contract(server: WebServer, source: Source) -> None:
    answer = get(server, "/image-list")
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "public, max-age=1"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    modified = email.utils.parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    expires = email.utils.parsedate_to_datetime(headers["Expires"]).timestamp()
    assert (modified, expires) == (int(source.view.at), int(source.view.at + 1))
    again = get(server, "/image-list", **{"If-Modified-Since": headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


def test_however_many_ask_the_pool_is_asked_once(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "LIFETIME_SECONDS", 600.0)
    server = WebServer("127.0.0.1", 0, source)
    server.start()
    try:
        for path in ("/", "/node-list", "/node-list", "/image-list.json"):
            get(server, path)
    finally:
        server.stop()
    assert source.asked == 1


@pytest.mark.parametrize("path", ["/nodes", "/node-list.xml", "/static/page.py", "/static/../x"])
def test_there_is_nothing_else(server: WebServer, path: str) -> None:
    assert get(server, path).status_code == 404


def test_who_stands_by_says_so(server: WebServer, source: Source) -> None:
    assert get(server, "/node-list").status_code == 200
    source.is_at_work = False
    answer = get(server, "/node-list")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_an_address_that_is_taken_is_told(server: WebServer, source: Source) -> None:
    second = WebServer("127.0.0.1", server.port, source)
    with pytest.raises(OSError, match="--web-port"):
        second.start()
    second.stop()
