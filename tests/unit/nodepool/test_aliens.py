"""What of a cloud's lists is nobody's here."""

from __future__ import annotations

from dataclasses import replace

from nodepool.aliens import Rows, alien_images, alien_servers
from nodepool.model import (
    CloudImage,
    Machine,
    MachineKey,
    Node,
    NodeState,
    Owner,
    Presence,
    Server,
    SnapshotImage,
)

NODE = Node(
    *(1, "one", "trusty", "jenkins", NodeState.READY, 0.0),
    machines=(
        Machine("n-1", Presence.EXISTS, "node"),
        Machine("n-1-1", Presence.EXISTS, "subnode"),
        Machine("n-1-2", Presence.ASKED),
    ),
)
IMAGES = (
    SnapshotImage(
        *(1, "one", "trusty", NodeState.READY, 0.0, "template", 1),
        machine=Machine("template", Presence.EXISTS, "builder"),
        external_id="snapshot",
        presence=Presence.EXISTS,
    ),
    SnapshotImage(
        *(2, "one", "trusty", NodeState.BUILDING, 0.0, "template", 2), presence=Presence.ASKED
    ),
)
ROWS = Rows((NODE,), IMAGES, "ours", {"two": "two's own"})


def server(name: str, owner: Owner | None = None) -> Server:
    return Server(name, "ACTIVE", owner=owner)


def names(found: list[Server]) -> list[str]:
    return [each.id for each in found]


def test_all_machines_of_ours_are_known() -> None:
    listed = [server(name) for name in ("node", "subnode", "builder", "theirs")]
    assert names(alien_servers(listed, ROWS)) == ["theirs"]


def test_a_server_whose_id_is_not_written_yet_is_ours() -> None:
    asked = MachineKey("node", 1, 2)
    listed = [
        server("asked", Owner("one", asked, "ours")),
        server("another nodepool's", Owner("one", asked, "not ours")),
        server("the provider's own id differs", Owner("two", asked, "ours")),
        server("with the provider's own id", Owner("two", asked, "two's own")),
        server("a second of one row", Owner("one", MachineKey("node", 1, 0), "ours")),
        server("without a row", Owner("one", MachineKey("node", 9), "ours")),
    ]
    assert names(alien_servers(listed, ROWS)) == [
        "another nodepool's",
        "the provider's own id differs",
        "a second of one row",
        "without a row",
    ]


def test_what_was_made_under_another_id_is_ours_by_the_row() -> None:
    asked = MachineKey("node", 1, 2)
    row = replace(NODE, machines=(*NODE.machines[:2], replace(NODE.machines[2], mark="before")))
    image = replace(IMAGES[1], machine=Machine(mark="before"))
    rows = replace(ROWS, nodes=(row,), images=(image,))
    listed = [server(each, Owner("one", asked, each)) for each in ("before", "ours")]
    assert names(alien_servers(listed, rows)) == ["ours"]
    saved = [
        CloudImage(each, "SAVING", Owner("one", MachineKey("image", 2), each), is_snapshot=True)
        for each in ("before", "ours")
    ]
    assert [each.id for each in alien_images(saved, rows)] == ["ours"]


def test_only_snapshots_are_aliens() -> None:
    mark = Owner("one", MachineKey("image", 2), "ours")
    listed = [
        CloudImage("snapshot", "ACTIVE", is_snapshot=True),
        CloudImage("being made", "SAVING", mark, is_snapshot=True),
        CloudImage("theirs", "ACTIVE", is_snapshot=True),
        CloudImage("the cloud's", "ACTIVE"),
    ]
    assert [each.id for each in alien_images(listed, ROWS)] == ["theirs"]
