"""Rows before calls, what follows a failed commit, and what the core is told back."""

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.daemon.pool_thread import End
from nodepool.db.lease import LeaseLost
from nodepool.errors import StoreError
from nodepool.model import MachineKey, NodeState
from tests.support.waiting import eventually
from tests.unit.nodepool.core.site import CONFIG
from tests.unit.nodepool.daemon.world import World

KEY = MachineKey("node", 1)


@pytest.fixture
def world() -> World:
    world = World()
    world.begin()
    return world


def test_rows_are_committed_before_calls_go_out(world: World) -> None:
    commit, call = world.take()
    assert [type(row) for row in commit[1:]] == [commands.SaveNode]
    assert isinstance(call, commands.CreateServer)


def test_events_of_a_batch_share_a_commit(world: World) -> None:
    world.take()
    created = [events.ServerCreated(KEY, "s-1"), BuildStarted("one-p-1", "job")]
    world.thread.handle(created)
    commit, *calls = world.take()
    saved = {row.node.id: row for row in commit[1:]}
    assert saved[1].before is NodeState.BUILDING
    assert saved[1].node.state is NodeState.USED
    # The replacement, at once.
    assert saved[2].before is None
    assert [type(call) for call in calls] == [commands.CreateServer]


@pytest.mark.parametrize(
    ("failure", "end"), [(StoreError("full"), End.FAILED), (LeaseLost(), End.LOST)]
)
def test_what_is_not_committed_is_not_done(failure: Exception, end: End) -> None:
    world = World()
    world.ledger.failure = failure
    world.begin()
    (commit,) = world.take()
    assert commit[0] == "commit"
    assert (world.thread.end, world.ends) == (end, 1)


def test_the_core_is_told_what_a_person_changed(world: World) -> None:
    world.thread.handle([events.ServerCreated(KEY, "s-1")])
    world.take()
    world.ledger.answers = [events.RowChanged(1, NodeState.HOLD, "mine")]
    world.thread.handle([BuildStarted("one-p-1", "job")])
    assert world.pool.nodes[1].state is NodeState.HOLD
    assert world.pool.nodes[1].comment == "mine"


def test_a_node_held_in_the_last_moment_keeps_its_server() -> None:
    world = World(CONFIG.replace("- name: t", "- name: t\n    delete-delay: 0"))
    world.begin()
    world.thread.handle([events.ServerCreated(KEY, "s-1"), BuildStarted("one-p-1", "job")])
    world.thread.handle([BuildFinalized("one-p-1", "job", "SUCCESS", None)])
    world.take()
    world.ledger.answers = [events.RowChanged(1, NodeState.HOLD)]
    world.thread.handle([])  # its time has come
    deletes = [call for call in world.take() if isinstance(call, commands.DeleteServer)]
    assert deletes == []
    assert world.pool.nodes[1].state is NodeState.HOLD


def test_edges_know_a_new_configuration_before_the_core_does(world: World) -> None:
    world.take()
    config = parse_config(CONFIG.replace("min-ready: 1", "min-ready: 2"), "site")
    world.thread.handle([events.ConfigLoaded(config)])
    configure, _, call = world.take()
    assert configure == ("configure", config)
    assert isinstance(call, commands.CreateServer)


def test_clouds_are_asked_often_only_for_what_is_awaited(world: World) -> None:
    world.thread.handle([events.ServerCreated(KEY, "s-1")])
    servers, images = world.edges.expected[-1]
    assert ("p" in servers, "p" in images) == (True, False)


def test_a_broken_core_ends_the_thread_and_nothing_goes_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.inbox.put(events.Connected(KEY))
    monkeypatch.setattr(world.pool, "handle", _broken)
    world.thread.start()
    try:
        assert eventually(lambda: world.thread.end, "the end") is End.FAILED
    finally:
        world.thread.stop()
    assert world.take() == []
    assert "Pool broke down" in caplog.text


def _broken(event: events.Event, now: float) -> tuple[commands.Command, ...]:
    raise AssertionError("an invariant")


def test_views_are_given_between_events() -> None:
    world = World()
    world.inbox.put(events.Started())
    world.inbox.put(events.TargetChecked("t", online=False, text="503"))
    world.inbox.put(events.LimitsRead("p", 4, 1.0))
    world.thread.start()
    try:
        view = world.thread.request_view().result(20)
        assert (view.nodes, view.config) == ((), world.config)
        assert [key.kind for key in view.steps] == ["image"]
        assert [each.reason for each in view.obstacles] == ["503"]
        assert view.account_room == {"p": 3}  # less the server that is asked for
    finally:
        world.thread.stop()
    # The last state, even of a thread that has ended.
    assert world.thread.request_view().cancel()
