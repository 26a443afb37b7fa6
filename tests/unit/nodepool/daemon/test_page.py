"""The status page, as text."""

from dataclasses import replace

from nodepool.config import parse_config
from nodepool.core.events import Step
from nodepool.daemon.page import MOST_ROWS, render
from nodepool.daemon.pool_thread import PoolView
from nodepool.model import Machine, MachineKey, Node, NodeState, SnapshotImage
from tests.unit.nodepool.core.site import CONFIG, ready_image

NODE = Node(1, "p", "one", "t", NodeState.READY, 1000.0, (Machine("n"),), nodename="n-1")


def view(*nodes: Node, images: tuple[SnapshotImage, ...] = (), **steps: Step) -> PoolView:
    keys = {MachineKey("node", int(name[1:])): step for name, step in steps.items()}
    return PoolView(nodes, images, keys, parse_config(CONFIG, "site"), 1061.0)


def test_an_empty_pool_shows_what_is_configured() -> None:
    page = render(view())
    for word in ("<td>p</td>", "<td>one</td>", "<td>t</td>", "0 of 10", "0 ready"):
        assert word in page


def test_nodes_are_counted_by_state() -> None:
    used = replace(NODE, id=2, nodename="n-2", state=NodeState.USED, job="gate-unit")
    page = render(view(NODE, used))
    assert "<title>Nodepool: 1 ready, 1 used</title>" in page
    assert '<rect class="ready" x="0.00" width="10.00"/>' in page
    assert '<rect class="used" x="10.00" width="10.00"/>' in page
    assert "2 of 10" in page
    assert "<td>gate-unit</td>" in page
    assert "00:00:01:01" in page


def test_a_launch_shows_how_far_it_is() -> None:
    page = render(view(replace(NODE, state=NodeState.BUILDING), n1=Step.BOOT))
    assert '<progress value="3" max="10"></progress> boot' in page


def test_every_step_has_its_place() -> None:
    for step in Step:
        assert step.value in render(view(NODE, n1=step))


def test_what_left_the_configuration_is_still_shown() -> None:
    page = render(view(replace(NODE, provider="old", label="gone", target="left")))
    assert page.count("not configured") == 2
    for word in ("old", "gone", "left"):
        assert f"<td>{word}</td>" in page


def test_images_say_whether_they_are_proven() -> None:
    proven = ready_image()
    page = render(view(images=(proven, replace(proven, id=7, proven=False, failures=2, version=2))))
    assert "<td>proven</td>" in page
    assert "not proven, 2 launches failed" in page


def test_text_from_outside_is_no_markup() -> None:
    evil = '<script>alert("x")</script>'
    node = replace(NODE, job=evil, comment=evil, nodename=evil, label=evil, provider=evil)
    page = render(view(replace(node, target=evil, machines=(Machine(evil, ip=evil),))))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_big_pool_does_not_drown_the_browser() -> None:
    many = tuple(replace(NODE, id=number) for number in range(1, MOST_ROWS + 3))
    assert '2 more in <a href="node-list">' in render(view(*many))
