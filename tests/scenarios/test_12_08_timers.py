"""Contract zuul.md 12.8: timers."""

from __future__ import annotations

from typing import Any

from tests.support.layouts import Edit, pipeline, project
from tests.support.world import World
from zuul.core.commands import UpdateRepo

EVERY_SECOND = "* * * * * */1"


def periodic(time: str = EVERY_SECOND, **keys: Any) -> Edit:
    keys.setdefault("trigger", {"timer": [{"time": time}]})
    return pipeline("periodic", manager="IndependentPipelineManager", source="gerrit", **keys)


BITROT = project(
    "org/project", periodic=["project-bitrot-stable-old", "project-bitrot-stable-older"]
)
EXPECTED = ["project-bitrot-stable-old", "project-bitrot-stable-older"]


def test_074_ticks_do_not_pile_up(world: World) -> None:
    world.reload(periodic(), BITROT)
    world.hold_builds()
    world.wait(5)
    assert world.running == EXPECTED
    assert world.items("periodic") == [["None"]]
    assert world.pipeline("periodic")["change_queues"][0]["heads"][0][0]["id"] is None
    assert len(world.saw("event_received")) == 5
    world.reload(BITROT, periodic())
    assert world.running == EXPECTED
    world.reload()
    world.expect_idle()


def test_074_timers_go_on_and_off_with_reloads(world: World) -> None:
    for cycle in range(1, 4):
        world.hold_builds()
        world.reload(periodic(), BITROT)
        world.wait(3)
        assert world.running == EXPECTED
        # without its trigger the pipeline keeps what it holds, and hears no more
        world.reload(periodic(trigger={"gerrit": [{"event": "draft-published"}]}), BITROT)
        world.release()
        world.wait(3)
        assert world.history == EXPECTED_HISTORY * cycle
        world.expect_idle()


EXPECTED_HISTORY = [f"{job} SUCCESS" for job in EXPECTED]


def test_074_a_reload_drops_no_tick_and_doubles_none(world: World) -> None:
    """The next tick of a timer that stays is where it was."""
    world.clock.advance(3600 - world.clock.now % 3600)
    world.reload(periodic("0 * * * *"), BITROT)
    for _ in range(6):
        world.wait(1199)
        world.reload(periodic("0 * * * *"), BITROT)
    assert world.history == EXPECTED_HISTORY * 1
    world.wait(60)
    assert world.history == EXPECTED_HISTORY * 2


def test_074_each_timer_of_a_pipeline_counts(world: World) -> None:
    world.clock.advance(3600 - world.clock.now % 3600)
    times = [{"time": "10 * * * *"}, {"time": "20 * * * *"}, {"time": "20 * * * *", "jitter": 0}]
    world.reload(periodic(trigger={"timer": times}), BITROT)
    world.wait(3600)
    assert world.history == EXPECTED_HISTORY * 2


def test_075_a_mail_of_a_timer(world: World) -> None:
    subject = "Periodic check for {change.project} succeeded"
    world.reload(
        periodic(success={"smtp": {"to": "alternative_me@example.com", "subject": subject}}),
        BITROT,
    )
    world.hold_builds()
    world.wait(2)
    world.reload(periodic(trigger={"gerrit": [{"event": "draft-published"}]}), BITROT)
    world.release()
    assert world.reporters.mails == []

    world.reload(
        periodic("0 0 * * *", success={"smtp": {"to": "you@example.com", "subject": subject}}),
        BITROT,
    )
    world.wait(86_400)
    (mail,) = world.reporters.mails
    assert mail.text.startswith("Build succeeded.")
    (report,) = (each for each in world.reporters.sent if each.pipeline == "periodic")
    assert report.change.project == "org/project"
    assert report.reporters[0].parameters["subject"] == subject


def test_076_the_merger_is_brought_up_to_date_before_a_periodic_job(world: World) -> None:
    world.reload(periodic("0 0 * * *"), BITROT)
    world.merges_held = True
    world.wait(86_400)
    (command,) = world.merges
    assert isinstance(command, UpdateRepo)
    assert (command.project, world.history) == ("org/project", [])
    world.merges_held = False
    world.settle()
    assert world.history == EXPECTED_HISTORY


def test_330_null_items_name_no_branch(world: World) -> None:
    """Contract 3.18 and 4; it has no entry in the catalogue."""
    world.reload(periodic("0 0 * * *"), BITROT)
    world.wait(86_400)
    parameters = world.gearman.history[0].parameters
    assert set(parameters) == {
        "ZUUL_UUID",
        "ZUUL_PROJECT",
        "ZUUL_PIPELINE",
        "ZUUL_URL",
        "ZUUL_VOTING",
        "BASE_LOG_PATH",
        "LOG_PATH",
    }
    assert parameters["BASE_LOG_PATH"] == ""
    assert parameters["LOG_PATH"].startswith("periodic/project-bitrot-stable-old/")


def test_331_a_pipeline_that_demands_votes_takes_no_timer_item(world: World) -> None:
    """Quirk 2.5 is fixed: in 2.6 the event is lost with an error."""
    world.reload(periodic("0 0 * * *", require={"open": True}), BITROT)
    world.wait(86_400)
    assert world.history == []
    assert len(world.saw("enqueue_refused")) == 1
