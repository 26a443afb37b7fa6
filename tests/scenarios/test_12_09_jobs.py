"""Contract zuul.md 12.9: which jobs run, with what, and what becomes of them."""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import FAILURE, SUCCESS
from tests.support.invariants import watch
from tests.support.layouts import Edit, job, pipeline, project
from tests.support.world import World
from zuul.drivers.swift.uploads import Signer
from zuul.lib.secret import Secret
from zuul.model.upload import Upload


def test_078_files_decide_whether_a_job_runs(world: World) -> None:
    a = world.change()
    world.upload(a, files=["pip-requires"], event=False)
    world.vote(a, "Code-Review", 2, event=False)
    b = world.change()
    world.approve(a, b)
    assert world.results("project-testfile", a) == [SUCCESS]
    assert world.results("project-testfile", b) == []
    world.expect_merged(a, b)


def test_079_skip_if(world: World) -> None:
    rule = {
        "project": "^org/project$",
        "branch": "^master$",
        "all-files-match-any": ["^README$"],
    }
    world.reload(job("^.*-test1$", skip_if=[rule]))
    a = world.push(files={"README": "new"})
    b = world.push(branch="mp", files={"README": "new"})
    assert world.results("project-test1", a) == []
    assert world.results("project-test2", a) == [SUCCESS]
    assert world.results("project-test1", b) == [SUCCESS]
    world.expect_reports(1, a, b)


@pytest.mark.parametrize(
    ("rules", "files", "runs"),
    [
        # all parts of a rule must match, and one rule is enough
        ([{"project": "^org/"}], ["a"], False),
        ([{"project": "^other/"}], ["a"], True),
        ([{"branch": "^mas"}], ["a"], False),
        ([{"branch": "^mas", "project": "^other/"}], ["a"], True),
        ([{"project": "^other/"}, {"branch": "^mas"}], ["a"], False),
        # every file must match one of the expressions, the commit message aside
        ([{"all-files-match-any": ["^doc/", "^README$"]}], ["doc/a", "README"], False),
        ([{"all-files-match-any": ["^doc/", "^README$"]}], ["doc/a", "setup.py"], True),
    ],
)
def test_079_what_skips_a_job(
    world: World, rules: list[dict[str, object]], files: list[str], runs: bool
) -> None:
    world.reload(job("project-test1", skip_if=rules))
    a = world.push(files=files)
    assert world.results("project-test1", a) == [SUCCESS] * runs
    assert world.results("project-test2", a) == [SUCCESS]


def functions(world: World) -> dict[str, str]:
    return {build.job: build.command.function for build in world.gearman.history}


def test_080_a_parameter_function_picks_the_node(world: World) -> None:
    a = world.change("org/node-project")
    world.approve(a)
    assert functions(world) == {
        "node-project-merge": "build:node-project-merge",
        "node-project-test1": "build:node-project-test1:debian",
        "node-project-test2": "build:node-project-test2",
    }
    world.expect_merged(a)


def test_081_a_reload_picks_another_function(world: World) -> None:
    world.reload(job("node-project-test1", parameter_function="select_wheezy_node"))
    world.approve(world.change("org/node-project"))
    assert functions(world)["node-project-test1"] == "build:node-project-test1:wheezy"


def test_082_tags_reach_parameter_functions(world: World) -> None:
    world.reload(
        *(
            job(name, parameter_function="build_tags")
            for name in ("project1-merge", "project2-merge", "project1-test1")
        ),
    )
    world.approve(world.change("org/project1"), world.change("org/project2"))
    tags = {b.job: b.parameters.get("BUILD_TAGS") for b in world.gearman.history}
    assert tags["project1-merge"] == "extratag merge project1"
    assert tags["project2-merge"] == "merge"
    assert tags["project1-test1"] == ""
    assert tags["project1-test2"] is None


def test_083_templates(world: World) -> None:
    a = world.push("org/templated-project")
    assert [build.job for build in world.gearman.history] == ["project-test1", "project-test2"]
    b = world.push("org/layered-project")
    assert [build.job for build in world.gearman.history if build.change == str(b.key)] == [
        "project-test1",
        "project-test2",
        "layered-project-test3",
        "layered-project-test4",
        "layered-project-foo",
        "project-test6",
    ]
    world.expect_reports(1, a, b)


def mutexes() -> tuple[Edit, ...]:
    return (
        job("mutex-one", mutex="test-mutex"),
        job("mutex-two", mutex="test-mutex"),
        project("org/project", check=["project-test1", "mutex-one", "mutex-two"]),
    )


def test_084_a_mutex_has_one_holder(world: World) -> None:
    world.reload(*mutexes())
    a, b = world.change(), world.change()
    world.hold_builds()
    world.created(a, b)
    order = []
    while any("mutex" in build for build in world.running):
        (holder,) = [build for build in world.running if "mutex" in build]
        order.append(holder)
        world.release("mutex-.*")
    assert order == ["mutex-one 1,1", "mutex-two 1,1", "mutex-one 2,1", "mutex-two 2,1"]
    world.release()
    world.expect_reports(1, a, b)


def test_084_a_mutex_is_one_for_all_jobs_projects_and_pipelines(world: World) -> None:
    world.reload(
        job("mutex-one", mutex="test-mutex"),
        job("mutex-two", mutex="test-mutex"),
        project("org/project", check=["mutex-one"]),
        project("org/project1", gate=["mutex-two"]),
    )
    a, b = world.change(), world.change("org/project1")
    world.hold_builds()
    world.created(a)
    world.approve(b)
    assert world.running == ["mutex-one 1,1"]
    world.release("mutex-one")
    assert world.running == ["mutex-two 2,1"]
    world.release()
    world.expect_merged(b)


def test_084_a_mutex_is_freed_by_an_abandon(world: World) -> None:
    world.reload(*mutexes())
    a, b = world.change(), world.change()
    world.hold_builds()
    world.created(a, b)
    world.abandon(a)
    assert [entry for entry in world.running if "mutex" in entry] == ["mutex-one 2,1"]


def test_084_a_mutex_is_freed_by_a_reload_that_removes_its_job(world: World) -> None:
    world.reload(*mutexes())
    world.hold_builds()
    world.push()
    assert "mutex-one 1,1" in world.running
    world.reload(*mutexes(), project("org/project", check=["project-test1", "mutex-two"]))
    assert [entry for entry in world.running if "mutex" in entry] == ["mutex-two 1,1"]


def test_085_a_build_without_a_result_runs_again(world: World) -> None:
    a = world.change()
    world.gearman.add_rule("project-merge", None, times=1)
    world.approve(a)
    assert world.results("project-merge") == [None, SUCCESS]
    assert len(world.history) == 4
    world.expect_merged(a)


def test_086_attempts_are_bounded(world: World) -> None:
    world.reload(job("project-test1", attempts=4))
    a = world.change()
    world.fails("project-test1", a, None)
    world.created(a)
    assert world.results("project-test1") == [None] * 4
    assert len(world.history) == 6
    assert len({build.uuid for build in world.gearman.history}) == 6
    assert ": RETRY_LIMIT" in a.comments[0].text
    world.expect_reports(1, a)


def test_086_three_attempts_by_default(world: World) -> None:
    a = world.change()
    world.fails("project-test1", a, None)
    world.created(a)
    assert world.results("project-test1") == [None] * 3


def test_087_unregistered_jobs_fail_and_work_once_registered(world: World) -> None:
    names = {"build:project-merge", "build:project-test1", "build:project-test2"}
    world.gearman.unregistered |= names
    a = world.change()
    world.approve(a)
    assert world.history == []
    world.expect_open(a)
    world.expect_reports(2, a)
    assert ": NOT_REGISTERED" in a.comments[-1].text

    world.gearman.unregistered.clear()
    world.approve(a)
    world.expect_merged(a)


def test_088_a_lost_worker(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    lost = world.build("project-merge").uuid
    world.lose_worker("project-merge")
    assert world.running == ["project-merge 1,1"]
    assert world.build("project-merge").uuid != lost
    world.release()
    world.expect_merged(a)


def test_089_what_a_worker_tells_of_itself_is_shown(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    shown = world.item("gate", a)["jobs"][0]
    assert shown["worker"] == {
        "name": "worker-1",
        "hostname": "worker-1.example.com",
        "ips": ["192.0.2.1"],
        "fqdn": "worker-1.example.com",
        "program": "jenkins",
        "version": "1.0",
        "extra": {"something": "else"},
    }


def test_090_descriptions(world: World) -> None:
    a = world.change()
    world.approve(a)
    build = world.gearman.history[0]
    text = world.descriptions[build.uuid]
    for expected in ("master", "gate", "project-merge", "project-test1", SUCCESS, "1,1"):
        assert expected in text


def swift_world(*edits: Edit) -> World:
    signer = Signer(Secret("key"), "https://storage.example.org/V1/AUTH_account", Upload())
    world = World(*edits, uploads=signer)
    watch(world)
    return world


def test_091_places_to_upload_to() -> None:
    world = swift_world(
        job("^.*-merge$", swift=[{"name": "logs", "container": "merge_logs"}]),
        job(
            "project-test1",
            swift=[
                {"name": "logs", "container": "{change.branch}_logs", "expiry": 1800},
                {"name": "MOSTLY", "logserver_prefix": "http://logs/{job.name}"},
            ],
        ),
    )
    world.approve(world.change())
    merge, test1, test2 = (
        next(b.parameters for b in world.gearman.history if b.job == name)
        for name in ("project-merge", "project-test1", "project-test2")
    )
    path = f"/V1/AUTH_account/merge_logs/{merge['LOG_PATH']}"
    assert merge["SWIFT_logs_URL"] == f"https://storage.example.org{path}"
    lines = merge["SWIFT_logs_HMAC_BODY"].split("\n")
    assert lines[:4] == [path, "", "104857600", "10"]
    assert world.clock.now + 7000 < int(lines[4]) < world.clock.now + 7300
    assert len(lines) == 5
    assert len(merge["SWIFT_logs_SIGNATURE"]) == 40
    assert test1["SWIFT_logs_URL"].endswith(f"/master_logs/{test1['LOG_PATH']}")
    assert test1["SWIFT_MOSTLY_URL"].endswith(f"/AUTH_account/{test1['LOG_PATH']}")
    assert test1["SWIFT_MOSTLY_LOGSERVER_PREFIX"] == "http://logs/project-test1"
    assert not [name for name in test2 if name.startswith("SWIFT_")]


def test_091_a_parameter_function_may_move_the_logs_first() -> None:
    world = swift_world(
        job(
            "project-test1",
            swift={"name": "logs", "container": "c"},
            parameter_function="move_logs",
        )
    )
    world.created(world.change())
    (parameters,) = (
        build.parameters for build in world.gearman.history if build.job == "project-test1"
    )
    assert parameters["SWIFT_logs_URL"].endswith("/c/elsewhere/project-test1/")


def test_091_a_template_that_cannot_be_expanded_costs_its_place_alone() -> None:
    places = [{"name": "bad", "container": "{change.nosuch}"}, {"name": "good"}]
    world = swift_world(job("project-test1", swift=places))
    a = world.push()
    (parameters,) = (
        build.parameters for build in world.gearman.history if build.job == "project-test1"
    )
    assert "SWIFT_good_URL" in parameters
    assert "SWIFT_bad_URL" not in parameters
    assert "swift bad: no attribute 'nosuch'" in world.saw("problem")[0].text
    world.expect_votes(a, 1)


def test_092_estimates_come_from_earlier_builds(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    world.clock.advance(2)
    first = world.item("gate", a)["jobs"][0]
    assert first["estimated_time"] is not None
    assert first["remaining_time"] is None
    world.release()

    world.hold_builds()
    b = world.change()
    world.approve(b)
    second = world.item("gate", b)["jobs"][0]
    assert second["estimated_time"] >= 2
    assert second["remaining_time"] is not None


def test_093_url_patterns_of_a_result(world: World) -> None:
    world.reload(
        job("project-test1", success_pattern="http://x/{build.parameters[LOG_PATH]}/"),
        job("project-test2", success_pattern="http://x/{no_such_thing}/"),
    )
    a = world.push()
    log_path = next(
        build.parameters["LOG_PATH"]
        for build in world.gearman.history
        if build.job == "project-test1"
    )
    assert f"- project-test1 http://x/{log_path}/ : SUCCESS" in a.comments[0].text
    fallback = next(build for build in world.gearman.history if build.job == "project-test2")
    assert f"- project-test2 {fallback.data.url} : SUCCESS" in a.comments[0].text


def test_094_what_a_regular_expression_entry_passes_on(world: World) -> None:
    def entries(layout: dict) -> None:
        layout["jobs"] = [
            {"name": "early"},
            {
                "name": "^(early|late)$",
                "queue-name": "ignored",
                "attempts": 7,
                "voting": False,
                "mutex": "m",
                "tags": ["t"],
                "hold-following-changes": True,
                "skip-if": [{"branch": "^never$"}],
            },
            {"name": "late"},
            {"name": "node-project-test1", "parameter-function": "select_debian_node"},
        ]

    world.reload(entries, project("org/project", check=["early", "late"]))
    early, late = world.layout.jobs["early"], world.layout.jobs["late"]
    assert (late.queue_name, late.attempts) == (None, 3)
    assert (late.voting, late.mutex, late.tags) == (False, "m", frozenset({"t"}))
    assert late.hold_following_changes
    assert len(late.skip_if) == 1
    assert (early.voting, early.mutex, early.skip_if) == (True, None, ())


@pytest.mark.parametrize("result", ["UNSTABLE", "POST_FAILURE", "anything else"])
def test_305_any_other_result_is_a_failure_shown_verbatim(world: World, result: str) -> None:
    """Contract 5.3; it has no entry in the catalogue."""
    a = world.change()
    world.fails("project-test1", a, result)
    world.created(a)
    assert f": {result}" in a.comments[0].text
    world.expect_votes(a, -1)


def test_306_late_results_of_cancelled_builds_change_nothing(world: World) -> None:
    a, b = world.change(), world.change()
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(a, b)
    world.release(".*-merge")
    world.release(".*-merge")
    world.finish("project-test1", FAILURE, a)
    world.release()
    world.expect_merged(b)


def test_307_a_start_pipeline_tells_why_it_runs(world: World) -> None:
    world.reload(pipeline("check", start={"gerrit": {}}))
    a = world.push()
    assert next(comment.text for comment in a.comments) == "Starting check jobs."
    world.expect_reports(2, a)
