"""Every call of the core has an edge."""

from typing import get_args

from nodepool.core import commands
from nodepool.daemon.executor import CLOUD_CALLS, SSH_CALLS, TARGET_CALLS, Executor
from nodepool.drivers.jenkins import TargetCall
from nodepool.drivers.provider_edge import CloudCall
from nodepool.drivers.ssh_edge import SshCall


class Edge:
    def __init__(self) -> None:
        self.calls: list[commands.Call] = []

    def submit(self, call: commands.Call) -> None:
        self.calls.append(call)


def test_every_call_goes_to_the_edge_that_does_it() -> None:
    assert set(CLOUD_CALLS) == set(get_args(CloudCall))
    assert set(SSH_CALLS) == set(get_args(SshCall))
    assert set(TARGET_CALLS) == set(get_args(TargetCall))
    assert {*CLOUD_CALLS, *SSH_CALLS, *TARGET_CALLS} == set(get_args(commands.Call))


def test_closed_it_passes_nothing_on() -> None:
    cloud, target = Edge(), Edge()
    executor = Executor(cloud=cloud, ssh=Edge(), target=target)
    executor.submit(commands.ReadLimits("p"))
    executor.submit(commands.UnregisterNode(1, "t", "n"))
    executor.close()
    executor.submit(commands.ReadLimits("p"))
    assert cloud.calls == [commands.ReadLimits("p")]
    assert target.calls == [commands.UnregisterNode(1, "t", "n")]
