"""Requests over a real Gearman server: how each way of ending is told to whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.gearman import embedded, eventually, free_port, gearmand
from zuul.client.rpc import RpcClient
from zuul.config import GearmanConfig
from zuul.errors import RequestError
from zuul.lib.gearman import GearmanWorker, Refused, Reply, Task, TaskFailed

pytestmark = pytest.mark.integration

TEXT = "Invalid pipeline: x\nknown pipelines: gate"


def refuse(task: Task) -> Reply:
    raise Refused(TEXT)


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
        assert str(refused.value) == TEXT
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
