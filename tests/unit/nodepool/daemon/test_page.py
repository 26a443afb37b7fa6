"""The status page, as text."""

from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core.events import Step
from nodepool.core.obstacles import Hindrance, Obstacle
from nodepool.core.pauses import Place
from nodepool.daemon.page import MOST_ROWS, render
from nodepool.daemon.page_obstacles import MOST_SHOWN
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


def hindered(*obstacles: Obstacle, **room: int) -> str:
    return render(replace(view(NODE), obstacles=obstacles, account_room=room))


def test_without_obstacles_there_is_no_word_of_them() -> None:
    assert "<h2>Obstacles" not in hindered()


def test_a_pause_shows_how_long_how_often_and_why() -> None:
    page = hindered(Obstacle(Place(provider="p"), Hindrance.PAUSED, "no <host>", 3, until=1096.0))
    assert "<h2>Obstacles <small>1</small></h2>" in page
    assert "<td>provider <b>p</b></td>" in page
    clock = '<time datetime="1970-01-01T00:18:16Z">00:18:16 UTC</time>'
    assert f"<td>for 35 s, until {clock}</td><td>3</td>" in page
    assert '<td class="why">no &lt;host&gt;</td>' in page
    assert '<td>p <a class="state paused" href="#obstacles">paused</a></td>' in page


@pytest.mark.parametrize(
    ("since", "span"),
    [
        (1061.0, "0 s"),
        (2000.0, "0 s"),
        (1001.0, "1 min 00 s"),
        (1061.0 - 3599, "59 min 59 s"),
        (1061.0 - 3600, "1 h 00 min"),
        (1061.0 - 86399, "23 h 59 min"),
        (1061.0 - 90000, "1 d 01 h"),
    ],
)
def test_an_offline_target_shows_since_when(since: float, span: str) -> None:
    page = hindered(Obstacle(Place(target="t"), Hindrance.OFFLINE, "no answer", since=since))
    assert f"<td>for {span}, since <time" in page
    assert '<td>t <a class="state offline"' in page


def test_a_label_has_one_mark_of_a_kind_and_its_target_none() -> None:
    paused = Obstacle(Place("one", provider="p"), Hindrance.PAUSED, "r.sh: exit 1", 1, until=1070.0)
    due = Obstacle(Place("one", target="t"), Hindrance.DUE, "test job failed", 2)
    page = hindered(paused, replace(paused, place=Place("one", target="t")), due)
    marks = " ".join(
        f'<a class="state {kind}" href="#obstacles">{kind}</a>' for kind in ("paused", "due")
    )
    assert f"<td>one {marks}</td>" in page
    assert "<td>t</td>" in page
    assert "<td>label <b>one</b>, target <b>t</b></td>" in page


def test_every_kind_says_something() -> None:
    for kind in Hindrance:
        times = {"until": 1070.0} if kind is Hindrance.PAUSED else {}
        if kind is Hindrance.OFFLINE:
            times = {"since": 1000.0}
        page = hindered(Obstacle(Place(provider="p"), kind, "why", 1, **times))
        assert f'<span class="state {kind.value}">{kind.value}</span>' in page


def test_what_the_account_has_no_room_for_is_closed_in_the_bar() -> None:
    page = hindered(p=2)
    assert "<td>1 of 10</td><td>2 more</td>" in page
    assert '<rect class="closed" x="30.00" width="70.00"/>' in page
    assert "1 ready, no room for 7 in the account" in page
    assert 'class="closed"' not in hindered(p=50)
    assert 'class="closed"' not in hindered()


def test_obstacles_of_many_labels_do_not_drown_the_page() -> None:
    many = [Obstacle(Place(f"l{n}", target="t"), Hindrance.DUE, "", 1) for n in range(MOST_SHOWN)]
    last = Obstacle(Place(target="t"), Hindrance.DUE, "", 1)
    page = hindered(*many, last)
    assert '1 more in <a href="obstacle-list">' in page
    assert page.count('<td class="why">') == MOST_SHOWN


def test_reasons_and_names_of_obstacles_are_no_markup() -> None:
    evil = '<script>alert("x")</script>'
    page = hindered(
        Obstacle(Place(evil, target=evil), Hindrance.DUE, evil, 1),
        Obstacle(Place(provider=evil), Hindrance.DUE, evil, 1),
    )
    assert "<script" not in page
