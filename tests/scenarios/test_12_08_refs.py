"""Contract zuul.md 12.8: refs that move."""

from __future__ import annotations

from tests.support.layouts import named, pipeline
from tests.support.operators import NEWREV, ZEROS
from tests.support.world import World


def test_071_a_moved_branch_runs_the_post_job(world: World) -> None:
    world.ref_updated("org/project", "master", NEWREV, oldrev="9" * 40)
    assert world.history == ["project-post SUCCESS"]
    parameters = world.gearman.history[0].parameters
    assert parameters["ZUUL_REF"] == parameters["ZUUL_REFNAME"] == "master"
    assert parameters["ZUUL_COMMIT"] == parameters["ZUUL_NEWREV"] == NEWREV
    assert parameters["ZUUL_OLDREV"] == "9" * 40
    assert "ZUUL_CHANGE" not in parameters
    assert "ZUUL_BRANCH" not in parameters
    world.expect_idle()


def test_072_deletions_are_ignored_unless_asked_for(world: World) -> None:
    world.ref_updated("org/project", "master", ZEROS, oldrev=NEWREV)
    assert world.history == []

    def heed_deletes(layout: dict) -> None:
        named(layout["pipelines"], "post")["trigger"]["gerrit"][0]["ignore-deletes"] = False

    world.reload(heed_deletes)
    world.ref_updated("org/project", "master", ZEROS, oldrev=NEWREV)
    assert world.history == ["project-post SUCCESS"]


def test_073_an_unregistered_post_job(world: World) -> None:
    world.gearman.unregistered.add("build:project-post")
    world.ref_updated("org/project")
    assert world.history == []
    world.expect_idle()


def test_077_every_reporter_is_told_of_a_ref(world: World) -> None:
    """Quirk 77 is fixed: Gerrit cannot be told of a ref; the mail goes out all the same."""
    world.reload(
        pipeline("post", success={"gerrit": {"verified": 1}, "smtp": {"to": "you@example.com"}})
    )
    world.ref_updated("org/project", "master", NEWREV)
    assert [mail.pipeline for mail in world.reporters.mails] == ["post"]
    assert "Build succeeded" in world.reporters.mails[0].text
    world.expect_idle()
