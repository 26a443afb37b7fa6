"""The daemon on a database: at work, standing by, losing its lease, failing, moving on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodepool.config import NodepoolConfig, parse_config
from nodepool.core.commands import Call, CreateServer
from nodepool.core.events import Event, ImagesListed, ServerCreated, ServersListed
from nodepool.core.ports import Switches
from nodepool.daemon.daemon import Daemon
from nodepool.db.database import Database
from nodepool.db.people import People
from nodepool.db.rows import image_values
from nodepool.db.schema import DAEMON, SNAPSHOT_IMAGE
from nodepool.db.store import Store
from nodepool.errors import StoreError
from nodepool.model import NodeState
from tests.support.waiting import eventually
from tests.unit.nodepool.core.site import CONFIG, ready_image
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration

#: long: a loaded machine loses no lease
TTL = 60.0
#: a nodepoold whose clouds do nothing
PROGRAM = """
import sys, threading
from tests.integration.test_nodepoold import FakeEdges, parse
from nodepool.daemon.daemon import Daemon
daemon = Daemon(parse(sys.argv[1]), make_edges=FakeEdges)
daemon.start()
while not daemon.is_at_work:
    threading.Event().wait(0.05)
print("at work", flush=True)
threading.Event().wait()
"""

#: one that dies as it answers a person's request: before its rows are written, or after
DOOMED = """
import os, signal, sys
from nodepool.core.commands import RemoveRequest
from nodepool.db.store import Store
commit = Store.commit
def die(self, rows):
    doomed = any(isinstance(row, RemoveRequest) for row in rows)
    if not doomed or sys.argv[2] == "after":
        answers = commit(self, rows)
    if doomed:
        os.kill(os.getpid(), signal.SIGKILL)
    return answers
Store.commit = die
"""


class FakeEdges:
    """Remembers calls; creates are taken, if they are to be."""

    made: list[FakeEdges] = []
    creates = True

    def __init__(self, inbox: Callable[[Event], None], on_task: object) -> None:
        self.inbox = inbox
        self.calls: list[Call] = []
        self.configs: list[NodepoolConfig] = []
        self.state = "made"
        self.made.append(self)

    def configure(self, config: NodepoolConfig) -> None:
        self.configs.append(config)

    def start(self) -> None:
        self.state = "started"

    def submit(self, call: Call) -> None:
        assert self.state == "started"
        self.calls.append(call)
        if self.creates and isinstance(call, CreateServer):
            self.inbox(ServerCreated(call.key, f"server-{call.key.kind}-{call.key.id}"))

    def expect(self, servers: Container[str], images: Container[str]) -> None: ...

    def close(self) -> None:
        self.state = "closed"

    def stop(self) -> None:
        self.state = "stopped"


def parse(dburi: str, text: str = CONFIG) -> NodepoolConfig:
    return parse_config(f"dburi: '{dburi}'\n{text}", "nodepool.yaml")


class Site:
    def __init__(self, folder: Path) -> None:
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self.database = Database(Secret(self.dburi))
        self.daemons: list[Daemon] = []
        FakeEdges.made = []

    def start(self, **options: Any) -> Daemon:
        daemon = Daemon(parse(self.dburi), **{"make_edges": FakeEdges, "ttl": TTL, **options})
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def await_work(self, daemon: Daemon) -> FakeEdges:
        eventually(lambda: daemon.is_at_work, "a daemon at work")
        return FakeEdges.made[-1]

    def building(self) -> set[int]:
        found = People(self.database).images()
        return {image.id for image in found if image.state is NodeState.BUILDING}

    def daemon_row(self, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(DAEMON.update().values(**values))

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.stop()
        self.database.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def test_it_begins_with_what_is_missing_and_its_row_stands(site: Site) -> None:
    edges = site.await_work(site.start())
    (call,) = eventually(lambda: edges.calls, "a call")
    assert isinstance(call, CreateServer)
    (image,) = People(site.database).images()
    assert (image.provider, image.state) == ("p", NodeState.BUILDING)


def test_a_second_one_stands_by_until_the_first_stops(site: Site) -> None:
    first = site.start()
    edges = site.await_work(first)
    second = site.start()
    eventually(lambda: edges.state != "made", "the first at work")
    assert second.request_view() is None
    first.stop()
    site.daemons.remove(first)
    site.await_work(second)
    assert edges.state == "stopped"
    assert not first.is_at_work


def test_after_kill_9_the_next_takes_over_at_once(site: Site) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, site.dburi],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            (image,) = eventually(lambda: People(site.database).images(), "a row")
            # Its time would be over in an hour.
            second = site.start(ttl=3600.0)
            assert not second.is_at_work
        finally:
            process.send_signal(signal.SIGKILL)
    site.await_work(second)
    # What the first had begun goes, and is begun anew.
    eventually(lambda: site.building() - {image.id}, "another image")
    assert image.id not in site.building()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_request_outlives_kill_9(site: Site, moment: str) -> None:
    site.database.migrate()
    with site.database.write() as connection:
        ready = {"id": 500, **image_values(ready_image(500))}
        connection.execute(SNAPSHOT_IMAGE.insert().values(**ready))
    people = People(site.database)
    request = people.request_image("p", "i")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-c", DOOMED + PROGRAM, site.dburi, moment]
    assert subprocess.run(words, env=environment, timeout=50).returncode == -signal.SIGKILL
    cut_off = site.building()
    assert people.is_waiting(request) is (moment == "before")
    assert len(cut_off) == (moment == "after")
    site.await_work(site.start())
    eventually(lambda: site.building() - cut_off, "the build")
    assert not people.is_waiting(request)
    assert not cut_off & site.building()


def test_who_loses_the_lease_stops_acting_and_stands_by(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = site.start(ttl=0.6)
    edges = site.await_work(daemon)
    site.daemon_row(token=50, holder="elsewhere/1/other/x")
    eventually(lambda: edges.state == "stopped", "the end of its work")
    assert not daemon.has_failed
    # The other is never heard of again.
    again = eventually(
        lambda: FakeEdges.made[-1] if daemon.is_at_work else None, "work that begins anew"
    )
    assert again is not edges
    assert "Lease lost" in caplog.text


def test_rows_that_cannot_be_written_end_the_process(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = site.start()
    edges = site.await_work(daemon)
    eventually(lambda: edges.calls, "a call")
    before = len(edges.calls)
    monkeypatch.setattr(Store, "commit", _full)
    edges.inbox(ServersListed("p", (), 1e12))  # its server is not there: it is asked for
    edges.inbox(ImagesListed("p", (), 1e12))
    People(site.database).request_image_deletion(People(site.database).images()[0].id)
    eventually(lambda: daemon.has_failed, "the end")
    assert len(edges.calls) == before


def _full(self: Store, rows: object) -> None:
    raise StoreError("the disk is full")


def test_a_reload_reaches_the_edges_and_the_core(site: Site) -> None:
    daemon = site.start()
    edges = site.await_work(daemon)
    daemon.reload(parse(site.dburi, CONFIG.replace("min-ready: 1", "min-ready: 3")))
    eventually(lambda: len(edges.configs) == 2, "a new configuration")
    wanted = daemon.request_view()
    assert wanted is not None
    assert wanted.result(20).config.labels["one"].min_ready == 3
    assert FakeEdges.made == [edges]


def test_a_reload_while_rows_are_loaded_is_not_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Store.load
    new = parse(site.dburi, CONFIG.replace("min-ready: 1", "min-ready: 3"))

    def slow(self: Store) -> Any:
        site.daemons[0].reload(new)
        return load(self)

    monkeypatch.setattr(Store, "load", slow)
    daemon = site.start()
    edges = site.await_work(daemon)
    eventually(lambda: edges.configs[-1] is new, "the new configuration")


def test_another_database_is_begun_with_anew(site: Site, tmp_path: Path) -> None:
    daemon = site.start()
    edges = site.await_work(daemon)
    other = f"sqlite:///{tmp_path}/other.sqlite"
    daemon.reload(parse(other))
    eventually(lambda: len(FakeEdges.made) == 2 and daemon.is_at_work, "work on the other")
    assert edges.state == "stopped"
    # The first is free.
    site.await_work(site.start())


def test_a_person_is_heard_within_seconds(site: Site) -> None:
    daemon = site.start()
    edges = site.await_work(daemon)
    (image,) = eventually(lambda: People(site.database).images(), "a row")
    People(site.database).request_image_deletion(image.id)
    eventually(
        lambda: any(type(call).__name__ == "DeleteServer" for call in edges.calls), "the delete"
    )


@pytest.mark.parametrize(
    ("switches", "kinds"),
    [(Switches(images=False), set()), (Switches(launches=False), {"image"})],
)
def test_what_is_switched_off_is_not_done(site: Site, switches: Switches, kinds: set[str]) -> None:
    edges = site.await_work(site.start(switches=switches))
    wanted = site.daemons[0].request_view()
    assert wanted is not None
    wanted.result(20)
    created = {call.key.kind for call in edges.calls if isinstance(call, CreateServer)}
    assert created == kinds


def test_a_database_of_another_version_is_refused_at_once(site: Site) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Daemon(parse("nosuch://host/db")).start()
