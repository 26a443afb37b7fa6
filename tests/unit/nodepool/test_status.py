"""The tables of the command line and the web: columns, ages, what a terminal may be shown."""

from __future__ import annotations

import pytest
from prettytable import PrettyTable

from nodepool import status
from nodepool.alien_computers import ListedComputer
from nodepool.core.obstacles import Hindrance, Obstacle
from nodepool.core.pauses import Place
from nodepool.model import CloudImage, Machine, Node, NodeState, Server, SnapshotImage

NOW = 1_000_000.0


def a_node(**values: object) -> Node:
    machine = Machine(
        "n-1.example.org", server_id="uuid-1", ip="203.0.113.7", ip_private="10.0.0.7"
    )
    subnode = Machine("n-1-1.example.org", server_id="uuid-2")
    given = {"nodename": "n-1", "comment": "kept | \x1b[31mred\nline", **values}
    return Node(
        *(1, "cloud", "trusty", "jenkins", NodeState.HOLD, NOW - 93_784.0, (machine, subnode)),
        **given,  # type: ignore[arg-type]
    )


def cells(table: status.Table) -> list[list[str]]:
    lines = [line for line in table.text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize(
    "comments", [[], ["kept"], ["日本語", "é", "e\u0301", "a | b", "", "x" * 99]]
)
def test_tables_are_drawn_as_ever(comments: list[str]) -> None:
    """Scripts of sites cut them."""
    table = status.node_table([a_node(comment=comment) for comment in comments], NOW)
    drawn = PrettyTable(list(table.columns))
    drawn.align = "l"
    for record in table.records:
        drawn.add_row([str(record[key]) for key in table.columns.values()])
    assert table.text() == drawn.get_string()


def test_nodes_have_the_columns_of_the_last_era() -> None:
    heading, row = cells(status.node_table([a_node(comment="kept")], NOW))
    assert heading == [
        *("ID", "Provider", "AZ", "Label", "Target", "Manager", "Hostname", "NodeName"),
        *("Server ID", "IP", "State", "Age", "Comment"),
    ]
    assert row == [
        *("1", "cloud", "None", "trusty", "jenkins", "None", "n-1.example.org", "n-1"),
        *("uuid-1", "203.0.113.7", "hold", "01:02:03:04", "kept"),
    ]


def test_tables_are_left_aligned_boxes() -> None:
    assert status.job_table([(7, "gate-nova", 2)]).text() == (
        "+----+-----------+-----------------+\n"
        "| ID | Name      | Hold on Failure |\n"
        "+----+-----------+-----------------+\n"
        "| 7  | gate-nova | 2               |\n"
        "+----+-----------+-----------------+"
    )


def test_a_name_from_outside_stays_in_its_cell() -> None:
    text = status.node_table([a_node()], NOW).text()
    assert len(text.splitlines()) == 5
    assert "kept | ?[31mred?line" in text
    assert "\x1b" not in text


def test_json_has_more_than_the_columns() -> None:
    (row,) = status.node_table([a_node()], NOW).json()
    assert row["id"] == 1
    assert row["az"] is None
    assert row["state_time"] == NOW - 93_784
    assert row["comment"] == "kept | \x1b[31mred\nline"
    assert row["subnodes"] == [
        {"hostname": "n-1-1.example.org", "server_id": "uuid-2", "ip": None, "ip_private": None}
    ]
    assert set(status.NODES.values()) <= set(row)


def test_images() -> None:
    image = SnapshotImage(
        *(3, "cloud", "precise", NodeState.READY, NOW - 59.9, "template-precise-9", 9),
        external_id="image-uuid",
    )
    heading, row = cells(status.image_table([image], NOW))
    assert ",".join(heading) == "ID,Provider,Image,Hostname,Version,Image ID,Server ID,State,Age"
    assert row[:5] == ["3", "cloud", "precise", "template-precise-9", "9"]
    assert row[5:] == ["image-uuid", "None", "ready", "00:00:00:59"]


def test_alien_computers() -> None:
    computer = ListedComputer(
        "n-1", idle=True, offline=False, description="Dynamic single use a b node"
    )
    heading, row = cells(status.alien_computer_table([("jenkins", computer)]))
    assert heading == ["Target", "NodeName", "Label", "Offline", "Idle"]
    assert row == ["jenkins", "n-1", "a b", "False", "True"]


def test_there_are_no_disk_images() -> None:
    assert cells(status.dib_image_table()) == [
        ["ID", "Image", "Filename", "Version", "State", "Age"]
    ]
    assert status.dib_image_table().json() == []


def test_aliens() -> None:
    server = Server("uuid", "ACTIVE", "theirs", public_v6="2001:db8::1", private_v4="10.0.0.1")
    assert cells(status.alien_table([("cloud", server)])) == [
        ["Provider", "Hostname", "Server ID", "IP"],
        ["cloud", "theirs", "uuid", "2001:db8::1"],
    ]
    image = CloudImage("uuid", "ACTIVE", name="their snapshot")
    assert cells(status.alien_image_table([("cloud", image)])) == [
        ["Provider", "Name", "Image ID"],
        ["cloud", "their snapshot", "uuid"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "00:00:00:00"),
        (0.9, "00:00:00:00"),
        (3_661.0, "00:01:01:01"),
        (8.64e6, "100:00:00:00"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert status.age(seconds) == text


def test_obstacles_tell_the_time_that_is_left() -> None:
    paused = Obstacle(Place("a", target="t"), Hindrance.PAUSED, "\x1b no", 2, until=NOW + 61.9)
    offline = Obstacle(Place(target="t"), Hindrance.OFFLINE, "503", since=NOW - 5)
    heading, *rows = cells(status.obstacle_table([paused, offline], NOW))
    assert heading == ["Provider", "Label", "Target", "State", "Left", "Pauses", "Reason"]
    assert rows[0] == ["None", "a", "t", "paused", "00:00:01:01", "2", "? no"]
    assert rows[1] == ["None", "None", "t", "offline", "None", "0", "503"]


def test_providers_tell_their_limits() -> None:
    table = status.provider_table([("p", 10, 3, 2), ("left", None, 1, None)])
    assert cells(table)[1:] == [["p", "10", "3", "2"], ["left", "None", "1", "None"]]
