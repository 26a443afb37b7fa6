"""Which computers of a target are a nodepool's and in no row, and which of them may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.alien_computers import ListedComputer, rows_by_name, why_it_stays
from nodepool.drivers.jenkins_rows import description
from nodepool.model import Machine, Node, NodeState

NODE = Node(
    *(7, "cloud", "bare", "main", NodeState.USED, 0.0),
    machines=(Machine("bare-cloud-7.example.org"), Machine("bare-cloud-7-1.example.org")),
    nodename="bare-cloud-7",
)
DEAD = ListedComputer("bare-cloud-3", idle=True, offline=True, description=description("bare"))


@pytest.mark.parametrize("label", ["bare", "two words", "bare node", "x"])
def test_the_label_is_read_back(label: str) -> None:
    assert replace(DEAD, description=description(label)).label == label


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "the master Jenkins node",
        "Dynamic single use node",
        "Dynamic single use  node",
        "Our Dynamic single use bare node",
        "Dynamic single use bare node.",
        "dynamic single use bare node",
        "Dynamic single use a\nb node",
        f"Dynamic single use {'x' * 1000} node",
    ],
)
def test_whoever_writes_something_else_is_no_nodepool(text: str | None) -> None:
    computer = replace(DEAD, description=text)
    assert computer.label is None
    assert why_it_stays(computer.name, computer, {}) == (
        "it is none of nodepool's, by its description"
    )


def test_names_of_nodes_and_subnodes_are_known_in_every_target() -> None:
    rows = rows_by_name([NODE, replace(NODE, id=8, target="other", nodename="n-8", machines=())])
    assert {name: node.id for name, node in rows.items()} == {
        "bare-cloud-7": 7,
        "bare-cloud-7-1": 7,
        "n-8": 8,
    }


@pytest.mark.parametrize("name", ["bare-cloud-7", "bare-cloud-7-1"])
def test_what_has_a_row_is_not_deleted_here(name: str) -> None:
    computer = replace(DEAD, name=name)
    for found in (computer, None):
        assert why_it_stays(name, found, rows_by_name([NODE])) == (
            "it is of node 7, which `nodepool delete 7` deletes"
        )


@pytest.mark.parametrize("offline", [True, False])
def test_idle_ones_go_and_busy_ones_stay(offline: bool) -> None:
    """Busy and offline is what a node is while the build runs that uses it up."""
    computer = replace(DEAD, offline=offline)
    assert why_it_stays(DEAD.name, computer, rows_by_name([NODE])) is None
    busy = replace(computer, idle=False)
    assert why_it_stays(DEAD.name, busy, {}) == "it runs a build"


def test_what_is_not_there() -> None:
    assert why_it_stays("gone", None, {}) == "the target has no such computer"
