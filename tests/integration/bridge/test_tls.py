"""The bridge's links to a Gearman server that wants client certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gearman_plugin_shim.config import GearmanConfig
from gearman_plugin_shim.gearman import ssl_context_of
from tests.support.certificates import Authority
from tests.support.processes import wait_for
from zuul.lib.gearman import GearmanServer, JobRef, TakenJob, WorkerHub
from zuul.lib.tls import TlsFiles, server_context

pytestmark = pytest.mark.integration


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def port(ours: Authority) -> Iterator[int]:
    """Of a server that takes only clients whom our authority vouches for."""
    server = GearmanServer("127.0.0.1", 0, ssl_context=server_context(ours.issue("server")))
    server.start()
    yield server.port
    server.stop()


class News:
    def __init__(self) -> None:
        self.opened: list[str] = []
        self.lost: list[str] = []

    def link_opened(self, link: str, generation: int) -> None:
        self.opened.append(link)

    def link_lost(self, link: str, generation: int) -> None:
        self.lost.append(link)

    def job_taken(self, ref: JobRef, job: TakenJob, taken: int) -> None:
        raise AssertionError("nobody submitted a job")


def open_link(port: int, papers: TlsFiles) -> tuple[WorkerHub, News]:
    """A hub as shim.conf's [gearman] asks for, and what it tells."""
    config = GearmanConfig("127.0.0.1", port, tls=papers)
    news = News()
    hub = WorkerHub(config.server, config.port, news, ssl_context=ssl_context_of(config))
    hub.start()
    hub.open_link("group", "client", frozenset({"build:unit"}), 0)
    return hub, news


def test_a_link_opens_with_our_papers(port: int, ours: Authority) -> None:
    hub, news = open_link(port, ours.issue("bridge"))
    try:
        wait_for(lambda: news.opened == ["group"], "an open link")
    finally:
        hub.stop()


def test_a_server_that_a_stranger_vouches_for_is_not_trusted(
    port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub, news = open_link(port, Authority(tmp_path, "stranger").issue("bridge"))
    try:
        wait_for(lambda: "certificate verify failed" in caplog.text.lower(), "a refusal, logged")
        assert news.opened == []
    finally:
        hub.stop()
