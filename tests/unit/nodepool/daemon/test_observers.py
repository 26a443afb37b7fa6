"""What the log and statsd are told."""

import inspect
import logging
from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core.events import Step
from nodepool.core.pauses import Place
from nodepool.core.ports import Observer
from nodepool.daemon.node_stats import StatsObserver
from nodepool.daemon.observers import HOOKS, LogObserver, Observers, SilentObserver
from nodepool.model import Machine, Node, NodeState, SnapshotImage
from tests.support.fake_pool_observer import CountingObserver
from tests.support.fake_statsd import FakeStatsd
from tests.unit.nodepool.core.site import CONFIG
from zuul.lib.stats import Stats

NODE = Node(
    1,
    "p",
    "one",
    "t",
    NodeState.BUILDING,
    1.0,
    (Machine("n.example.org", server_id="s-1"), Machine("m")),
    nodename="n",
    az="az1",
)
IMAGE = SnapshotImage(5, "p", "i", NodeState.READY, 1.0, "template", 7, external_id="e-1")


def test_every_hook_of_the_core_is_passed_on() -> None:
    wanted = {name for name in vars(Observer) if not name.startswith("_")}
    assert set(HOOKS) == wanted
    for observer in (SilentObserver, LogObserver):
        for name in wanted:
            told = inspect.signature(getattr(observer, name)).parameters
            assert list(told) == list(inspect.signature(getattr(Observer, name)).parameters)
    first, second = CountingObserver(), CountingObserver()
    Observers(first, second).node_held(NODE, "job")
    assert first.counts == second.counts == {"node_held": 1}


TOLD = [
    ("node_changed", (NODE, None), "nodepool.NodePool", "INFO"),
    ("launch_step", (NODE, Step.PREPARE), "nodepool.NodeLauncher", "DEBUG"),
    ("launch_ended", (NODE, "ready", 61.26, ""), "nodepool.NodeLauncher", "INFO"),
    ("launch_ended", (NODE, "error.ssh", 9.0, "no route"), "nodepool.NodeLauncher", "WARNING"),
    ("subnode_launched", (NODE, 1, "ready", 9.0), "nodepool.SubNodeLauncher", "INFO"),
    ("node_removed", (NODE, 4.0), "nodepool.NodeDeleter", "INFO"),
    ("job_ended", (NODE, "unit", "master", 5.0), "nodepool.NodeCompleteThread", "INFO"),
    ("node_held", (NODE, "unit"), "nodepool.NodeCompleteThread", "INFO"),
    ("hold_ended", (NODE, 86400.0), "nodepool.NodePool", "INFO"),
    ("event_passed_over", ("n", "unit", "why"), "nodepool.NodeUpdateListener", "DEBUG"),
    ("event_made_up", (NODE, "why"), "nodepool.NodeUpdateListener", "WARNING"),
    ("image_changed", (IMAGE, NodeState.BUILDING), "nodepool.ImageUpdater", "INFO"),
    ("image_ended", (IMAGE, 5.0, ""), "nodepool.ImageUpdater", "INFO"),
    ("image_ended", (IMAGE, 5.0, "no space"), "nodepool.ImageUpdater", "WARNING"),
    ("image_forgotten", (IMAGE,), "nodepool.ImageUpdater", "WARNING"),
    ("server_leaked", ("p", "s-9", "name"), "nodepool.InstanceDeleter", "WARNING"),
    ("provider_refused", ("p", "quota", 5.0), "nodepool.ProviderManager", "WARNING"),
    ("launches_paused", (Place(target="t"), "500", 5.0), "nodepool.NodeLauncher", "WARNING"),
    ("launches_resumed", (Place(target="t"),), "nodepool.NodeLauncher", "INFO"),
]


@pytest.mark.parametrize(("hook", "arguments", "logger", "level"), TOLD)
def test_each_hook_is_a_line(
    caplog: pytest.LogCaptureFixture,
    hook: str,
    arguments: tuple[object, ...],
    logger: str,
    level: str,
) -> None:
    caplog.set_level(logging.DEBUG, "nodepool")
    getattr(LogObserver(), hook)(*arguments)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.__dict__["action"]) == (logger, level, hook)


def test_all_hooks_are_tried() -> None:
    assert {hook for hook, *_ in TOLD} == set(HOOKS)


def test_a_line_tells_a_node_by_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodepool")
    LogObserver().launch_ended(NODE, "error.ssh", 9.04, "no route")
    expected = (
        "Launch failed node=1 nodename=n provider=p label=one target=t server=s-1"
        ' result=error.ssh seconds=9.0 reason="no route"'
    )
    assert caplog.messages == [expected]


def test_a_line_tells_where_launches_are_paused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodepool")
    LogObserver().launches_paused(Place("one", provider="p"), "exit 1", 10.0)
    LogObserver().launches_resumed(Place("one", target="t"))
    assert caplog.messages == [
        'No launches for a while label=one provider=p pause=10.0 reason="exit 1"',
        "Launches go on label=one target=t",
    ]


# -- statsd ----------------------------------------------------------------------------------------


@pytest.fixture
def statsd() -> FakeStatsd:
    return FakeStatsd()


@pytest.fixture
def observer(statsd: FakeStatsd) -> StatsObserver:
    return StatsObserver(Stats(statsd), parse_config(CONFIG, "site"))


def test_gauges_follow_a_node(statsd: FakeStatsd, observer: StatsObserver) -> None:
    observer.node_changed(NODE, None)
    ready = replace(NODE, state=NodeState.READY)
    observer.node_changed(ready, NodeState.BUILDING)
    observer.node_removed(ready, 4.0)
    for name in ("nodes", "target.t.nodes", "label.one.nodes", "provider.p.nodes"):
        # A subnode counts as well.
        assert statsd.values(f"nodepool.{name}.building", "g") == ["2", "0"]
        assert statsd.values(f"nodepool.{name}.ready", "g") == ["2", "0"]


def test_only_what_changed_is_sent(statsd: FakeStatsd, observer: StatsObserver) -> None:
    observer.node_changed(NODE, None)
    assert len(statsd.sent) == 4


def test_a_node_that_a_manager_took_counts_there(
    statsd: FakeStatsd, observer: StatsObserver
) -> None:
    observer.node_changed(NODE, None)
    taken = replace(NODE, manager="launcher01", state=NodeState.READY)
    observer.node_changed(taken, NodeState.BUILDING)
    assert statsd.values("nodepool.target.t.nodes.building", "g") == ["2", "0"]
    assert statsd.values("nodepool.target.t.nodes.ready", "g") == []
    assert statsd.values("nodepool.manager.launcher01.nodes.ready", "g") == ["2"]


def test_all_gauges_are_sent_zeros_too(statsd: FakeStatsd) -> None:
    observer = StatsObserver(Stats(statsd), parse_config(CONFIG, "site"), [NODE])
    assert statsd.sent == []
    observer.send_all()
    for name in ("nodes", "target.t.nodes", "label.one.nodes", "provider.p.nodes"):
        assert statsd.values(f"nodepool.{name}.building", "g") == ["2"]
        for state in ("ready", "used", "delete", "hold", "test"):
            assert statsd.values(f"nodepool.{name}.{state}", "g") == ["0"]
    assert statsd.values("nodepool.provider.p.max_servers", "g") == ["10"]


def test_a_launch_is_told_under_all_its_names(statsd: FakeStatsd, observer: StatsObserver) -> None:
    observer.launch_ended(NODE, "error.ssh", 2.5, "")
    expected = [
        f"nodepool.launch.{part}error.ssh"
        for part in ("", "provider.p.", "image.i.", "target.t.", "provider.p.az1.")
    ]
    sent = [line for key in expected for line in (f"{key}:2500.0|ms", f"{key}:1|c")]
    assert statsd.sent == sent
    observer.subnode_launched(NODE, 1, "error.ssh", 2.5)
    assert statsd.sent == sent * 2


def test_other_figures(statsd: FakeStatsd, observer: StatsObserver) -> None:
    observer.job_ended(NODE, "unit", None, 3.0)
    observer.image_ended(IMAGE, 9.0, "")
    observer.image_ended(IMAGE, 9.0, "failed")
    observer.node_removed(replace(NODE, label="gone"), 1.0)
    observer.task_ended("p", "ListServersTask", 0.5)
    assert [line for line in statsd.sent if line.endswith("|ms")] == [
        "nodepool.job.unit.runtime:3000.0|ms",
        "nodepool.job.unit.unknown_branch.runtime:3000.0|ms",
        "nodepool.job.unit.unknown_branch.one.runtime:3000.0|ms",
        "nodepool.job.unit.unknown_branch.one.p.runtime:3000.0|ms",
        "nodepool.image_update.i.p:9000.0|ms",
        "nodepool.delete.None.p.t:1000.0|ms",
        "nodepool.task.p.ListServersTask:500.0|ms",
    ]
    assert statsd.values("nodepool.job.unit.unknown_branch.one.p.builds", "c") == ["1"]
    assert statsd.values("nodepool.delete.None.p.t", "c") == ["1"]
