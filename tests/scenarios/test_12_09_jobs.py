"""Contract zuul.md 12.9: which jobs run, and with what."""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import SUCCESS
from tests.support.layouts import job, pipeline, project
from tests.support.world import World


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


def test_307_a_start_pipeline_tells_why_it_runs(world: World) -> None:
    world.reload(pipeline("check", start={"gerrit": {}}))
    a = world.push()
    assert next(comment.text for comment in a.comments) == "Starting check jobs."
    world.expect_reports(2, a)
