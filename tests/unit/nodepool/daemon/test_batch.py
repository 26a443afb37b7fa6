"""What is committed of several answers, and which calls a person's hold stops."""

from nodepool.core import commands
from nodepool.core.commands import SaveNode
from nodepool.core.events import RowChanged
from nodepool.daemon.batch import Batch, spared
from nodepool.model import Heard, Machine, Node, NodeState, Presence, SnapshotImage


def node(number: int = 1, state: NodeState = NodeState.READY) -> Node:
    machines = (
        Machine("n", Presence.EXISTS, f"server-{number}"),
        Machine("n-1", Presence.EXISTS, f"sub-{number}"),
    )
    return Node(number, "p", "l", "t", state, 1.0, machines, nodename=f"n{number}")


def test_of_each_row_the_last_content_is_written_with_the_first_state() -> None:
    batch = Batch()
    new = node(1, NodeState.BUILDING)
    image = SnapshotImage(7, "p", "i", NodeState.BUILDING, 1.0, "h", 1)
    call = commands.ReadLimits("p")
    batch.add([SaveNode(new, None), SaveNode(node(2), NodeState.BUILDING), call])
    batch.add([SaveNode(node(1), NodeState.BUILDING), commands.SaveImage(image)])
    batch.add([SaveNode(node(2, NodeState.USED), NodeState.READY), commands.RemoveImage(7), call])
    batch.add([commands.RemoveRequest(7)])
    assert batch.rows == (
        SaveNode(node(1), None),
        SaveNode(node(2, NodeState.USED), NodeState.BUILDING),
        commands.RemoveImage(7),
        commands.RemoveRequest(7),
    )
    assert batch.calls == [call, call]


def test_what_was_heard_is_written_once() -> None:
    batch = Batch()
    batch.add([commands.SaveHeard(Heard({}, {"t": 1.0}))])
    batch.add([SaveNode(node(1), None), commands.SaveHeard(last := Heard({}, {"t": 2.0}))])
    assert batch.rows == (commands.SaveHeard(last), SaveNode(node(1), None))


def test_a_row_that_goes_in_the_same_batch_is_removed() -> None:
    batch = Batch()
    batch.add([SaveNode(node(1), NodeState.USED), commands.RemoveNode(1)])
    assert batch.rows == (commands.RemoveNode(1),)


CALLS = (
    commands.DeleteServer("p", "server-1"),
    commands.DeleteServer("p", "sub-1"),
    commands.UnregisterNode(1, "t", "n1"),
    commands.RevokeNode("m", "n1"),
)
OTHERS = (
    commands.DeleteServer("q", "server-1"),
    commands.DeleteServer("p", "server-2"),
    commands.UnregisterNode(2, "t", "n2"),
    commands.ReadLimits("p"),
)


def test_what_a_person_held_meanwhile_is_not_taken_away() -> None:
    nodes = {1: node(1), 2: node(2)}
    answers = [RowChanged(1, NodeState.HOLD), RowChanged(2, NodeState.DELETE)]
    assert list(spared((*CALLS, *OTHERS), answers, nodes)) == list(OTHERS)


def test_without_a_hold_all_calls_go_out() -> None:
    answers = [RowChanged(1, NodeState.DELETE), RowChanged(99, NodeState.HOLD)]
    assert list(spared(CALLS, answers, {1: node(1)})) == list(CALLS)
