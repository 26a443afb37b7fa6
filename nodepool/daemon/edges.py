"""Edges: all that talks to the outside for one pool."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from functools import partial

from nodepool.config.values import NodepoolConfig
from nodepool.core.commands import Call
from nodepool.core.events import Event
from nodepool.daemon.executor import Executor
from nodepool.drivers.event_history import HistoryWatch
from nodepool.drivers.gearman import DemandWatch
from nodepool.drivers.jenkins import TargetEdge
from nodepool.drivers.nova import NovaProvider
from nodepool.drivers.offers import Offers
from nodepool.drivers.pace import TaskHook
from nodepool.drivers.provider_edge import CloudEdge
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.ssh_edge import SshEdge
from nodepool.drivers.ssh_hosts import HostKeys
from nodepool.drivers.target_watch import TargetWatch
from nodepool.drivers.zmq import BuildWatch


class Edges:
    """`configure` and `submit` from the pool's thread, or before it is started; each part starts
    anew only what differs from before."""

    def __init__(self, inbox: Callable[[Event], None], on_task: TaskHook) -> None:
        keys, hosts = KeyRing(), HostKeys()
        make_provider = partial(NovaProvider, on_task=on_task)
        self._cloud = CloudEdge(inbox, make_provider, keys, on_created=hosts.expect)
        self._ssh = SshEdge(inbox, keys, hosts, environment=os.environ)
        self._offers = Offers(inbox)
        self._target = TargetEdge(inbox, gearman=self._offers, on_task=on_task)
        self._targets = TargetWatch(inbox, on_task=on_task)
        self._demand = DemandWatch(inbox)
        self._histories = HistoryWatch(inbox)
        self._builds = BuildWatch(inbox, on_up=self._histories.wake)
        self._executor = Executor(cloud=self._cloud, ssh=self._ssh, target=self._target)

    def configure(self, config: NodepoolConfig) -> None:
        self._ssh.configure(config)
        self._cloud.configure(config.providers)
        self._offers.configure(config.gearman_servers)
        self._target.configure(config.targets)
        self._targets.configure(config.targets)
        self._demand.configure(config.gearman_servers)
        self._histories.configure(config.event_histories)
        self._builds.configure(config.zmq_publishers)

    def start(self) -> None:
        self._ssh.start()
        self._target.start()
        self._targets.start()
        self._demand.start()
        self._histories.start()
        self._builds.start()

    def submit(self, call: Call) -> None:
        self._executor.submit(call)

    def expect(self, servers: Container[str], images: Container[str]) -> None:
        """Providers of whose servers, or images, something waits to hear. The pool's thread."""
        self._cloud.expect(servers, images)

    def close(self) -> None:
        """No call goes out any more. Any thread."""
        self._executor.close()

    def stop(self) -> None:
        """End all threads; within seconds, whatever the outside does."""
        self._executor.close()
        for part in (
            *(self._builds, self._histories),
            *(self._demand, self._targets, self._target),
        ):
            part.stop()
        self._cloud.stop()
        self._ssh.stop()
