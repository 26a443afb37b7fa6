"""What several answers of the core come to: rows to commit, and the calls that may go out then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nodepool.core.commands import (
    Call,
    Command,
    DeleteServer,
    RemoveImage,
    RemoveNode,
    RemoveRequest,
    RevokeNode,
    Row,
    SaveHeard,
    SaveImage,
    SaveNode,
    UnregisterNode,
)
from nodepool.core.events import Event, RowChanged
from nodepool.model import Node, NodeState


@dataclass(slots=True)
class Batch:
    """In the order of the events; of each row only its last content is written."""

    _rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def add(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case SaveNode(node, before):
                    earlier = self._rows.get(("node", node.id))
                    if isinstance(earlier, SaveNode):
                        before = earlier.before
                    self._rows["node", node.id] = SaveNode(node, before)
                case RemoveNode(node_id):
                    self._rows["node", node_id] = command
                case SaveImage(image):
                    self._rows["image", image.id] = command
                case RemoveImage(image_id):
                    self._rows["image", image_id] = command
                case RemoveRequest(request):
                    self._rows["request", request] = command
                case SaveHeard():
                    self._rows["heard", 0] = command
                case _:
                    self.calls.append(command)

    @property
    def rows(self) -> Sequence[Row]:
        return tuple(self._rows.values())


def spared(
    calls: Iterable[Call], answers: Sequence[Event], nodes: Mapping[int, Node]
) -> Iterable[Call]:
    """Without those that would take away what a person held while the core decided.

    `answers`: of the commit, before the core was told of them.
    """
    held = [
        nodes[answer.node_id]
        for answer in answers
        if isinstance(answer, RowChanged)
        and answer.state is NodeState.HOLD
        and answer.node_id in nodes
    ]
    if not held:
        return calls
    ids = {node.id for node in held}
    names = {node.nodename for node in held}
    servers = {(node.provider, machine.server_id) for node in held for machine in node.machines}

    def is_spared(call: Call) -> bool:
        match call:
            case DeleteServer(provider, server_id):
                return (provider, server_id) in servers
            case UnregisterNode(node_id):
                return node_id in ids
            case RevokeNode(_, nodename):
                return nodename in names
        return False

    return [call for call in calls if not is_spared(call)]
