"""Computers of the targets that nodepool made, by their description, and that no row knows. Pure.

Nodepool 0.x left such entries behind. Another nodepool that shares the master, with a database of
its own, gives its nodes the same description: so nothing is deleted but by a person's word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nodepool.model import Node
from nodepool.naming import node_name

#: the longest description that is looked at
_MOST = 1000
#: as jenkins_rows.description() writes it, and every Nodepool before (contract 9.1)
_OURS = re.compile(r"Dynamic single use (\S.*) node")


@dataclass(frozen=True, slots=True)
class ListedComputer:
    """A target's word on one of its computers."""

    name: str
    idle: bool
    offline: bool
    #: None: this master does not tell it in its list, or the computer left meanwhile
    description: str | None

    @property
    def label(self) -> str | None:
        """The label for which a nodepool made it; None: none did."""
        text = self.description or ""
        match = _OURS.fullmatch(text) if len(text) <= _MOST else None
        return match.group(1) if match else None


def rows_by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    """What names rows have, subnodes included, whatever their target: that may have been given
    another name in the file, or be a second name of the same master."""
    found: dict[str, Node] = {}
    for node in nodes:
        names = [node_name(machine.hostname) for machine in node.machines]
        found |= dict.fromkeys([node.nodename, *names], node)
    return found


def why_it_stays(
    name: str, computer: ListedComputer | None, rows: Mapping[str, Node]
) -> str | None:
    """What forbids to delete it; None: nothing does. `computer` None: the target has none."""
    if node := rows.get(name):
        return f"it is of node {node.id}, which `nodepool delete {node.id}` deletes"
    if computer is None:
        return "the target has no such computer"
    if computer.label is None:
        return "it is none of nodepool's, by its description"
    if not computer.idle:
        # Offline as well: the bridge sets a node offline under the build that uses it up.
        return "it runs a build"
    return None
