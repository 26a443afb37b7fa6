"""Requests over a real Gearman server: how each way of ending is told to whoever asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gearman import Recorder, embedded, eventually, free_port, gearmand
from tests.support.office import GOOD, Office
from zuul.client.rpc import RpcClient
from zuul.config import GearmanConfig
from zuul.core.requests import FreezeRequested
from zuul.daemon.rpc import CONNECTIONS
from zuul.errors import RequestError
from zuul.lib.gearman import GearmanClient, GearmanWorker, Refused, Reply, Task, TaskFailed

pytestmark = pytest.mark.integration

TEXT = "Invalid pipeline: x\nknown pipelines: gate"


def refuse(task: Task) -> Reply:
    raise Refused(TEXT + "\x1b[2J")


def fail(task: Task) -> Reply:
    raise TaskFailed


def tell(task: Task) -> Reply:
    task.send_data({"note": "it is there already"})
    task.send_data(b"no JSON")
    return {"echo": task.arguments()}


FUNCTIONS: dict[str, Callable[[Task], Reply]] = {
    "zuul:refuse": refuse,
    "zuul:fail": fail,
    "zuul:tell": tell,
    "zuul:nothing": lambda task: None,
}


@pytest.fixture(params=[embedded, gearmand])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param() as found:
        yield found


@contextmanager
def served(port: int) -> Iterator[RpcClient]:
    worker = GearmanWorker("Zuul RPC Listener", "127.0.0.1", port, FUNCTIONS)
    worker.start()
    try:
        with RpcClient(GearmanConfig("127.0.0.1", port)) as client:
            eventually(lambda: _is_served(client))
            yield client
    finally:
        worker.stop()


def _is_served(client: RpcClient) -> bool:
    try:
        client.call("zuul:nothing", {})
    except RequestError:
        return False
    return True


def test_answers_notes_and_refusals(port: int) -> None:
    with served(port) as client:
        answer = client.call("zuul:tell", {"a": 1, "absent": None})
        assert (answer.json(), answer.notes) == ({"echo": {"a": 1}}, ["it is there already"])
        assert client.call("zuul:nothing", {}).data == b""
        with pytest.raises(RequestError) as refused:
            client.call("zuul:refuse", {})
        assert str(refused.value) == TEXT + r"\x1b[2J"
        with pytest.raises(RequestError, match="its log says why"):
            client.call("zuul:fail", {})
        with pytest.raises(RequestError, match="No zuul-server serves zuul:nosuch at"):
            client.call("zuul:nosuch", {})


def test_no_server_at_all() -> None:
    with (
        RpcClient(GearmanConfig("127.0.0.1", free_port()), connect_seconds=0.3) as client,
        pytest.raises(RequestError, match="No Gearman server answers at"),
    ):
        client.call("zuul:nothing", {})


def test_whoever_freezes_does_not_wait_for_look_ups(tmp_path: Path) -> None:
    """A Gerrit that hangs, and more requests for it than are taken side by side."""
    office = Office(tmp_path)
    office.source.hangs = True
    office.desk.start()
    with embedded() as port:
        office.listener.connect("127.0.0.1", port, None)
        client = GearmanClient("scripts", "127.0.0.1", port)
        try:
            hanging = Recorder()
            for _ in range(2 * CONNECTIONS):
                client.submit("zuul:enqueue", json.dumps(GOOD).encode(), hanging)
            with RpcClient(GearmanConfig("127.0.0.1", port)) as admin:
                eventually(lambda: _is_frozen(admin))
            assert isinstance(office.events[-1], FreezeRequested)
        finally:
            client.close()
            office.desk.stop()
            office.listener.stop()


def _is_frozen(client: RpcClient) -> bool:
    try:
        client.call("zuul:freeze", {"pipeline": "gate", "reason": "the disk is full"})
    except RequestError as error:
        assert "No zuul-server serves" in str(error)
        return False
    return True
