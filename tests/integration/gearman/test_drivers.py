"""The drivers on real servers, with workers that behave badly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.gearman import SECONDS, RawPeer, embedded, eventually, gearmand
from zuul.core.commands import CancelBuild, LaunchBuild, MergeChanges
from zuul.core.events import BuildCompleted, BuildStarted, MergeCompleted
from zuul.drivers.gearman.builds import GearmanBuilds
from zuul.drivers.gearman.merges import GearmanMerges
from zuul.lib.gearman import AdminClient, GearmanClient, GearmanWorker, Reply, Task
from zuul.lib.gearman.packets import PacketType
from zuul.model.build import SeriesItem
from zuul.model.layout import MergeMode, Precedence

pytestmark = pytest.mark.integration

DATA = json.dumps({"number": 7, "manager": "m", "url": "http://j/7"}).encode()
SERVERS = {"embedded": embedded, "gearmand": gearmand}


@dataclass
class Bench:
    port: int
    client: GearmanClient
    admin: AdminClient
    builds: GearmanBuilds
    merges: GearmanMerges
    events: list[Any] = field(default_factory=list)

    def launch(self, build: str = "u1") -> None:
        self.builds.launch(LaunchBuild(build, "unit", "build:unit", {}, Precedence.NORMAL))

    def results(self) -> list[str | None]:
        return [event.result for event in self.events if isinstance(event, BuildCompleted)]

    def started(self) -> bool:
        return any(isinstance(event, BuildStarted) for event in self.events)


@pytest.fixture(params=["embedded", pytest.param("gearmand", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with SERVERS[request.param]() as port:
        events: list[Any] = []
        client, admin = GearmanClient("zuul", "127.0.0.1", port), AdminClient("127.0.0.1", port)
        builds = GearmanBuilds(client, admin, events.append, check_registration=False)
        merges = GearmanMerges(client, admin, events.append, lambda *names: "/".join(names))
        builds.start()
        merges.start()
        assert client.wait_connected(SECONDS)
        yield Bench(port, client, admin, builds, merges, events)
        builds.stop()
        merges.stop()
        client.close()
        admin.close()


def test_worker_that_answers_garbage_and_twice(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with RawPeer(bench.port) as peer:
        bench.launch()
        peer.can_do(b"build:unit")
        handle = eventually(lambda: _take(peer))
        peer.send(PacketType.WORK_DATA, handle, b"\xff\x00garbage")
        peer.send(PacketType.WORK_DATA, handle, b'{"number": {}, "url": "http://j/1"}')
        peer.send(PacketType.WORK_COMPLETE, handle, b'{"result": "SUCCESS"}')
        peer.send(PacketType.WORK_COMPLETE, handle, b'{"result": "FAILURE"}')
        peer.send(PacketType.WORK_FAIL, handle)
        eventually(bench.results)
        bench.launch("u2")
        eventually(lambda: bench.admin.status()["build:unit"].total == 1)
    assert bench.results() == ["SUCCESS"]
    assert "build=u1" in caplog.text and "field number" in caplog.text


def test_cancel_in_the_queue(bench: Bench) -> None:
    bench.launch()
    eventually(lambda: "build:unit" in bench.admin.status())
    bench.builds.cancel(CancelBuild("u1"))
    assert eventually(bench.results) == ["CANCELED"]
    with RawPeer(bench.port) as peer:
        peer.can_do(b"build:unit")
        assert _take(peer) is None


def test_cancel_while_it_runs(bench: Bench) -> None:
    stopped: list[dict[str, Any]] = []

    def stop(task: Task) -> Reply:
        stopped.append(task.arguments())
        return None

    manager = GearmanWorker("manager", "127.0.0.1", bench.port, {"stop:m": stop})
    manager.start()
    with RawPeer(bench.port) as peer:
        bench.launch()
        peer.can_do(b"build:unit")
        handle = eventually(lambda: _take(peer))
        bench.builds.cancel(CancelBuild("u1"))
        peer.send(PacketType.WORK_DATA, handle, DATA)
        eventually(lambda: stopped)
        peer.send(PacketType.WORK_DATA, handle, b'{"result": "ABORTED"}')
        peer.send(PacketType.WORK_FAIL, handle)
        assert eventually(bench.results) == ["ABORTED"]
    assert stopped == [{"name": "unit", "number": 7}]
    manager.stop(SECONDS)


def test_series_goes_to_one_merger_and_moves_when_it_leaves(bench: Bench) -> None:
    def start(name: str) -> tuple[GearmanWorker, list[tuple[str, int]]]:
        asked: list[tuple[str, int]] = []

        def merge(task: Task) -> Reply:
            arguments = task.arguments()
            asked.append((task.function, len(arguments["items"])))
            return {"merged": True, "commit": "a" * 40, "zuul_url": name, "merger_id": name}

        functions = {"merger:merge": merge, f"merger:merge:{name}": merge}
        worker = GearmanWorker(name, "127.0.0.1", bench.port, functions)
        worker.start()
        return worker, asked

    def merged() -> list[str | None]:
        return [
            event.result.merger_id for event in bench.events if isinstance(event, MergeCompleted)
        ]

    series = None
    first, asked_first = start("m1")
    for number in range(1, 4):
        series = _item(number, series)
        bench.merges.merge(MergeChanges(series.request, series, Precedence.NORMAL))
    eventually(lambda: len(merged()) == 3)
    assert asked_first == [("merger:merge", 1), ("merger:merge:m1", 1), ("merger:merge:m1", 1)]
    first.stop(SECONDS)
    eventually(lambda: bench.admin.status()["merger:merge:m1"].workers == 0)
    second, asked_second = start("m2")
    series = _item(4, series)
    bench.merges.merge(MergeChanges(series.request, series, Precedence.NORMAL))
    eventually(lambda: len(merged()) == 4, 20.0)
    assert asked_second == [("merger:merge", 4)]
    second.stop(SECONDS)


def _item(number: int, ahead: SeriesItem | None) -> SeriesItem:
    return SeriesItem(
        f"r{number}",
        "p",
        "gerrit",
        MergeMode.MERGE,
        f"refs/changes/{number}/1",
        "master",
        f"Z{number}",
        str(number),
        "1",
        ahead,
    )


def _take(peer: RawPeer) -> bytes | None:
    peer.send(PacketType.GRAB_JOB_UNIQ)
    name, arguments = peer.next()
    return arguments[0] if name == "JOB_ASSIGN_UNIQ" else None
