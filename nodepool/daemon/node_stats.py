"""StatsObserver: nodepool's figures for statsd (contract nodepool.md 17).

The keys are a contract: dashboards read them. Gauges are kept by each change of a node and sent as
they change; all of them, also those of nothing, are sent now and then, as UDP may lose some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nodepool.config.values import NodepoolConfig
from nodepool.daemon.observers import SilentObserver
from nodepool.model import Node, NodeState, SnapshotImage
from zuul.lib.stats import Stats, escape_part


class StatsObserver(SilentObserver):
    """For the pool's thread, but for `send_all`, which a timer's calls.

    Durations are sent in milliseconds.
    """

    def __init__(self, stats: Stats, config: NodepoolConfig, nodes: Iterable[Node] = ()) -> None:
        """`nodes`: those that there are already."""
        self._stats = stats
        self._config = config
        #: machines by the part of the key between `nodepool` and the state
        self._counts: Counter[tuple[str, NodeState]] = Counter()
        self._counted: dict[int, tuple[tuple[str, ...], NodeState, int]] = {}
        self._names: tuple[str, ...] = ()
        self.configure(config)
        for node in nodes:
            self._count(node)

    def configure(self, config: NodepoolConfig) -> None:
        self._config = config
        self._names = (
            "nodes",
            *(f"target.{escape_part(name)}.nodes" for name in config.targets),
            *(f"label.{escape_part(name)}.nodes" for name in config.labels),
            *(f"provider.{escape_part(name)}.nodes" for name in config.providers),
        )

    def send_all(self) -> None:
        """Every gauge, zeros too. Any thread."""
        counts = dict(self._counts)
        for name in dict.fromkeys((*self._names, *(name for name, _ in counts))):
            for state in NodeState:
                self._stats.gauge(f"nodepool.{name}.{state.word}", counts.get((name, state), 0))
        for name, provider in self._config.providers.items():
            key = f"nodepool.provider.{escape_part(name)}.max_servers"
            self._stats.gauge(key, provider.max_servers)

    # -- nodes -------------------------------------------------------------------------------------

    def node_changed(self, node: Node, before: NodeState | None) -> None:
        self._send({*self._uncount(node.id), *self._count(node)})

    def node_removed(self, node: Node, seconds: float) -> None:
        self._send(self._uncount(node.id))
        parts = (self._image_of(node), node.provider, node.target)
        key = ".".join(["nodepool.delete", *(escape_part(str(part)) for part in parts)])
        self._time(key, seconds)

    def _count(self, node: Node) -> list[tuple[str, NodeState]]:
        names = (
            "nodes",
            f"{_owner(node)}.nodes",
            f"label.{escape_part(node.label)}.nodes",
            f"provider.{escape_part(node.provider)}.nodes",
        )
        machines = len(node.machines)
        self._counted[node.id] = (names, node.state, machines)
        for name in names:
            self._counts[name, node.state] += machines
        return [(name, node.state) for name in names]

    def _uncount(self, node_id: int) -> list[tuple[str, NodeState]]:
        names, state, machines = self._counted.pop(node_id, ((), NodeState.BUILDING, 0))
        for name in names:
            self._counts[name, state] -= machines
        return [(name, state) for name in names]

    def _send(self, gauges: Iterable[tuple[str, NodeState]]) -> None:
        for name, state in gauges:
            self._stats.gauge(f"nodepool.{name}.{state.word}", self._counts[name, state])

    # -- what took how long ------------------------------------------------------------------------

    def launch_ended(self, node: Node, stat_key: str, seconds: float, text: str) -> None:
        self._launched(node, stat_key, seconds)

    def subnode_launched(self, node: Node, index: int, stat_key: str, seconds: float) -> None:
        self._launched(node, stat_key, seconds)

    def _launched(self, node: Node, stat_key: str, seconds: float) -> None:
        provider = f"provider.{escape_part(node.provider)}"
        parts = [provider, f"image.{escape_part(str(self._image_of(node)))}", _owner(node)]
        if node.az:
            parts.append(f"{provider}.{escape_part(node.az)}")
        for part in ("", *(f"{part}." for part in parts)):
            self._time(f"nodepool.launch.{part}{stat_key}", seconds)

    def job_ended(self, node: Node, job: str, branch: str | None, seconds: float) -> None:
        key = f"nodepool.job.{escape_part(job)}"
        parts = (branch or "unknown_branch", node.label, node.provider)
        for part in ("", *(f".{escape_part(part)}" for part in parts)):
            key += part
            self._stats.timing(f"{key}.runtime", seconds * 1000)
            self._stats.incr(f"{key}.builds")

    def image_ended(self, image: SnapshotImage, seconds: float, problem: str) -> None:
        if not problem:
            name, provider = escape_part(image.image), escape_part(image.provider)
            self._time(f"nodepool.image_update.{name}.{provider}", seconds)

    def task_ended(self, manager: str, task: str, seconds: float) -> None:
        """Of an API call to the provider or target `manager`. Any thread."""
        self._time(f"nodepool.task.{escape_part(manager)}.{escape_part(task)}", seconds)

    def _image_of(self, node: Node) -> str | None:
        label = self._config.labels.get(node.label)
        return label.image if label else None

    def _time(self, key: str, seconds: float) -> None:
        self._stats.timing(key, seconds * 1000)
        self._stats.incr(key)


def _owner(node: Node) -> str:
    """Who uses it: the manager that took it by Gearman, or its target."""
    if node.manager:
        return f"manager.{escape_part(node.manager)}"
    return f"target.{escape_part(node.target)}"
