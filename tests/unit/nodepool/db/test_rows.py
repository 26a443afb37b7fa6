"""Rows <-> values: what is written is what is read; odd values lose no server."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from nodepool.db import rows
from nodepool.db.schema import NODE, SNAPSHOT_IMAGE
from nodepool.model import Heard, Machine, Node, NodeState, Presence, SnapshotImage

KEYS = ("ecdsa-sha2-nistp256 " + "A" * 139 + "=", "ssh-ed25519 " + "B" * 68)
FIRST = Machine(
    "a.example.org", Presence.EXISTS, "s-1", "192.0.2.1", "10.0.0.1", "f-1", KEYS, "m-1"
)
SECOND = Machine("a-1.example.org", Presence.ASKED)
FULL = Node(
    *(7, "cloud", "label", "jenkins", NodeState.USED, 1000.0, (FIRST, SECOND)),
    nodename="a",
    az="z1",
    image_id=3,
    manager="m",
    comment="why",
    registered=True,
    job="unit",
    delete_at=1060.5,
)
IMAGE = SnapshotImage(
    *(3, "cloud", "precise", NodeState.BUILDING, 900.0, "precise.example.org", 900),
    machine=FIRST,
    external_id="i-1",
    presence=Presence.EXISTS,
    keypair="k",
    proven=True,
    failures=2,
)


def test_node_survives_its_row() -> None:
    row = {"id": 7, **rows.node_values(FULL)}
    subnodes = [{"id": 1, **values} for values in rows.subnode_values(FULL)]
    assert rows.read_node(row, subnodes) == FULL
    assert {*row, "written_state"} == set(NODE.columns.keys())


def test_image_survives_its_row() -> None:
    row = {"id": 3, **rows.image_values(IMAGE)}
    assert rows.read_image(row) == IMAGE
    assert set(row) == set(SNAPSHOT_IMAGE.columns.keys())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (None, None),
        ("", ""),
        ("a\0b", "ab"),
        ("\ud800x", "?x"),
        ("é" * 300, "é" * 255),
    ],
)
def test_text_is_what_every_database_takes(text: str | None, kept: str | None) -> None:
    assert rows.clean(text) == kept


@pytest.mark.parametrize(
    ("column", "value", "external_id", "expected"),
    [
        ("state", 9, "s-1", (NodeState.HOLD, Presence.EXISTS)),
        ("state", None, "s-1", (NodeState.HOLD, Presence.EXISTS)),
        ("presence", "maybe", "s-1", (NodeState.USED, Presence.EXISTS)),
        ("presence", None, None, (NodeState.USED, Presence.ASKED)),
    ],
)
def test_odd_value_is_told_and_loses_no_server(
    column: str,
    value: Any,
    external_id: str | None,
    expected: tuple[NodeState, Presence],
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = {"id": 7, **rows.node_values(FULL), "external_id": external_id, column: value}
    with caplog.at_level(logging.ERROR, "nodepool.NodeDatabase"):
        node = rows.read_node(row, ())
    assert (node.state, node.machines[0].presence) == expected
    assert f"table=node row=7 column={column}" in caplog.text


@pytest.mark.parametrize("text", ["none", KEYS[1] + " x", f"{KEYS[0]}\n{KEYS[1][:40]}", "x" * 999])
def test_host_keys_that_are_none_are_told_and_not_known(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"id": 7, **rows.node_values(FULL), "host_keys": text}
    with caplog.at_level(logging.ERROR, "nodepool.NodeDatabase"):
        node = rows.read_node(row, ())
    assert node.machines[0].host_keys == ()
    assert "table=node row=7 column=host_keys" in caplog.text
    assert len(caplog.text) < 800


@pytest.mark.parametrize(
    ("text", "keys"), [(None, ()), ("", ()), (f"\n {KEYS[1]} \r\n{KEYS[0]}\n", KEYS)]
)
def test_host_keys_as_a_person_writes_them(text: str | None, keys: tuple[str, ...]) -> None:
    row = {"id": 7, **rows.node_values(FULL), "host_keys": text}
    assert rows.read_node(row, ()).machines[0].host_keys == keys


@pytest.mark.parametrize(
    ("kind", "until", "told"),
    [
        ("rumour", 1.0, "column=kind value=rumour"),
        ("target", float("nan"), "column=heard_until value=nan"),
        ("target", float("inf"), "column=heard_until value=inf"),
    ],
)
def test_a_row_of_what_was_heard_that_says_nothing(
    kind: str, until: float, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"id": 1, "kind": kind, "name": "t", "heard_until": until}
    assert rows.read_heard([row]) == Heard()
    assert told in caplog.text


def test_names_that_were_cut_to_the_same_are_heard_as_the_earlier() -> None:
    long = "t" * 300
    values = rows.heard_values(Heard({}, {f"{long}1": 9.0, f"{long}2": 7.0, f"{long}3": 8.0}))
    assert rows.read_heard(values) == Heard({}, {long[:255]: 7.0})


def test_holds() -> None:
    found = [
        {"name": "a", "hold_on_failure": 1},
        {"name": "a", "hold_on_failure": 3},
        {"name": "b", "hold_on_failure": None},
        {"name": None, "hold_on_failure": 1},
    ]
    assert rows.read_holds(found) == {"a": 3}
