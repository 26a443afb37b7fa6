"""Contract zuul.md 12.9: places in Swift that builds may upload to."""

from __future__ import annotations

from tests.support.invariants import watch
from tests.support.layouts import Edit, job
from tests.support.world import World
from zuul.drivers.swift.uploads import Signer
from zuul.lib.secret import Secret
from zuul.model.upload import Upload


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
        world.ended(name)[0].parameters
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
    (build,) = world.ended("project-test1")
    assert build.parameters["SWIFT_logs_URL"].endswith("/c/elsewhere/project-test1/")


def test_091_a_template_that_cannot_be_expanded_costs_its_place_alone() -> None:
    places = [{"name": "bad", "container": "{change.nosuch}"}, {"name": "good"}]
    world = swift_world(job("project-test1", swift=places))
    a = world.push()
    (build,) = world.ended("project-test1")
    assert "SWIFT_good_URL" in build.parameters
    assert "SWIFT_bad_URL" not in build.parameters
    assert "swift bad: no attribute 'nosuch'" in world.saw("problem")[0].text
    world.expect_votes(a, 1)
