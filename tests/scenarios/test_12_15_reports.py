"""Contract zuul.md 12.15 to 12.17: texts, disabling, status."""

from __future__ import annotations

from tests.support.layouts import job, load_layout, pipeline, project
from tests.support.world import World

MESSAGE = "Build failed."


def two_jobs() -> tuple:
    return (
        pipeline("check", **{"footer-message": "For CI problems and help debugging, contact X"}),
        project("org/project", check=["test1", "test2"]),
    )


def lines(world: World, result: str, test: str) -> list[str]:
    number = {b.job: b.number for b in world.gearman.history}
    patch = "1/1"
    return [
        f"- {name} http://logs.example.com/{patch}/check/{name}/{number[name]} : {word} in 0s"
        for name, word in (("test1", result), ("test2", test))
    ]


def test_131_footers(world: World) -> None:
    world.reload(*two_jobs())
    a = world.push()
    assert a.comments[0].text.split("\n") == [
        "Build succeeded.",
        "",
        *lines(world, "SUCCESS", "SUCCESS"),
        "",
        "For CI problems and help debugging, contact X",
    ]


def test_131_footers_of_failures(world: World) -> None:
    world.reload(*two_jobs())
    a = world.change()
    world.fails("test1", a)
    world.created(a)
    assert a.comments[0].text.split("\n") == [
        "Build failed.",
        "",
        *lines(world, "FAILURE", "SUCCESS"),
        "",
        "For CI problems and help debugging, contact X",
    ]


def check_once(world: World, *, fails: bool) -> int:
    """Push a change; how many comments it got."""
    change = world.change()
    if fails:
        world.fails("project-test1", change)
    world.created(change)
    return len(change.comments)


def test_132_a_pipeline_that_keeps_failing_is_disabled(world: World) -> None:
    edit = pipeline(
        "check",
        disabled={"smtp": {"to": "you@example.com"}},
        **{"disable-after-consecutive-failures": 3},
    )
    world.reload(edit)
    for fails in (True, True, False, True, True, True):
        assert check_once(world, fails=fails) == 1
    assert world.reporters.mails == []
    assert len(world.saw("pipeline_disabled", pipeline="check")) == 1

    for fails in (True, False, True):
        assert check_once(world, fails=fails) == 0
    assert len(world.reporters.mails) == 3
    assert "Build failed" in world.reporters.mails[0].text
    assert "Build succeeded" in world.reporters.mails[1].text

    world.reload(edit)
    for fails in (True, True):
        assert check_once(world, fails=fails) == 1
    assert len(world.reporters.mails) == 3


def test_132_a_disabled_pipeline_can_report_a_conflict(world: World) -> None:
    """Contract 3.14: in 2.6 formatting it never ends."""
    world.reload(
        pipeline(
            "check",
            disabled={"smtp": {"to": "you@example.com"}},
            **{"disable-after-consecutive-failures": 1},
        )
    )
    a = world.change(files=["conflict"])
    b = world.change(files=["conflict"])
    check_once(world, fails=True)
    world.merge_by_hand(a)
    world.created(b)
    world.expect_reports(0, b)
    assert len(world.reporters.mails) == 1
    assert "Merge Failed" in world.reporters.mails[0].text
    world.expect_idle()


def test_133_the_whole_text(world: World) -> None:
    world.reload(
        pipeline("check", **{"footer-message": "FOOT"}),
        job("nv", voting=False, **{"success-message": "YAY"}),
        project("org/project", check=[{"a": ["b"]}, "nv"]),
    )
    a = world.change()
    world.fails("a", a)
    world.created(a)
    assert a.comments[0].text == (
        "Build failed.\n"
        "\n"
        "- a http://logs.example.com/1/1/check/a/0 : FAILURE in 0s\n"
        "- b http://logs.example.com/1/1/check/b/None : SKIPPED\n"
        "- nv http://logs.example.com/1/1/check/nv/1 : YAY in 0s (non-voting)\n"
        "\n"
        "FOOT"
    )


def test_134_status_shows_windows_and_urls(world: World) -> None:
    a, b = world.change(), world.change()
    world.hold_builds()
    world.approve(a)
    world.created(b)
    windows = {
        p["name"]: {queue["window"] for queue in p["change_queues"]}
        for p in world.status()["pipelines"]
    }
    assert windows["gate"] == windows["conflict"] == {20}
    assert windows["check"] == {0}
    shown = world.item("gate", a)["jobs"]
    build = world.build("project-merge", a)
    assert shown[0]["name"] == "project-merge"
    assert shown[0]["uuid"] == build.uuid
    assert shown[0]["url"] == build.data.url
    assert shown[0]["report_url"] == (
        f"http://logs.example.com/1/1/gate/project-merge/{build.number}"
    )
    assert [entry["result"] for entry in shown] == [None] * 3
    assert shown[1]["uuid"] is None
    world.release()


def test_137_an_event_concerns_its_own_connection_alone() -> None:
    """Quirk 137 is fixed: in 2.6 another server's change of the same number is enqueued."""
    world = World()
    a = world.change()
    record = world.gerrit.lookup(a)
    world.heard("patchset-created", a)
    told = world.inbox.pop()
    world.inbox.append(
        type(told)(
            type(told.event)(
                "elsewhere",
                "patchset-created",
                project=a.project,
                branch=a.branch,
                number=record.key.number,
                patchset=record.key.patchset,
            )
        )
    )
    world.settle()
    world.expect_reports(0, a)
    world.expect_idle()


def test_310_the_contract_layout_loads() -> None:
    layout = load_layout("L0")
    assert [p.name for p in layout.pipelines] == [
        "check",
        "post",
        "gate",
        "unused",
        "dup1",
        "dup2",
        "conflict",
        "experimental",
    ]
