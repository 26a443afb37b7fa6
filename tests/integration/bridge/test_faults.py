"""The bridge when things go wrong: killed, cut off, lied to, kept waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from gearman_plugin_shim.config import parse_config
from tests.integration.bridge_world import World
from tests.support.waiting import eventually
from zuul.lib.gearman import GearmanServer, Outcome

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("modern", [True, False])
def test_a_bridge_that_was_killed_finds_its_builds_again(world: World, modern: bool) -> None:
    master = world.add_master("m1", modern=modern)
    master.add_node("n1", "linux", 1, "EXCLUSIVE")
    master.add_job("unit", "sleep 3\n", labels="linux")
    file = world.folder / "shim.conf"
    file.write_text(world.text())
    command = [sys.executable, "-m", "gearman_plugin_shim.cmd", "-c", str(file), "-d"]
    with (world.folder / "log").open("w") as log:
        first = subprocess.Popen(command, stderr=log)
        try:
            world.await_function("build:unit")
            heard = world.submit("build:unit", "u1")
            heard.started()
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert heard.ended() is Outcome.FAIL
        second = subprocess.Popen(command, stderr=log)
        try:
            heard = world.submit("build:unit", "u1")
            assert heard.ended() == "SUCCESS"
            # Long after: it is still the same build.
            assert world.submit("build:unit", "u1").ended() == "SUCCESS"
        finally:
            began = time.monotonic()
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == 0
        assert time.monotonic() - began < 10.0
    assert len(master.builds()) == 1
    assert "api-token" not in (world.folder / "log").read_text()


def test_a_build_goes_on_without_the_gearman_server(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "sleep 2\n")
    world.start()
    world.await_function("build:unit")
    heard = world.submit("build:unit", "u1")
    heard.started()
    port = world.server.port
    world.server.stop()
    assert heard.ended() is Outcome.LOST
    world.server = GearmanServer(port=port)
    world.server.start()
    world.await_function("build:unit")
    again = world.submit("build:unit", "u1")
    assert again.started()["number"] == 1
    assert again.ended() == "SUCCESS"
    assert len(master.builds()) == 1


def test_a_slow_master_holds_up_nobody_else(world: World) -> None:
    slow = world.add_master("slow", options="timeout = 3\n")
    fast = world.add_master("fast")
    for master in (slow, fast):
        master.add_job("unit", "true\n")
    fast.add_job("only-here", "true\n")
    slow.faults.add("api/json", delay=30.0, times=1000)
    world.start()
    world.await_function("build:only-here")
    began = time.monotonic()
    for number in range(5):
        assert world.submit("build:only-here", f"u{number}").ended() == "SUCCESS"
    assert time.monotonic() - began < 10.0
    began = time.monotonic()
    world.stop()
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize("fault", ["html", "truncate", "status"])
def test_a_master_that_talks_nonsense_is_left_alone_and_comes_back(
    world: World, fault: str
) -> None:
    odd = {"html": {"html": True}, "truncate": {"truncate": 20}, "status": {"status": 500}}
    master = world.add_master("m1")
    master.add_job("unit", "sleep 2\n")
    world.start()
    world.await_function("build:unit")
    heard = world.submit("build:unit", "u1")
    heard.started()
    master.faults.add("api/json", times=12, **odd[fault])
    assert heard.ended() == "SUCCESS"
    world.await_function("build:unit")
    assert world.submit("build:unit", "u2").ended() == "SUCCESS"


@pytest.mark.parametrize(
    ("fault", "modern"),
    [
        ({"status": 500, "after": True}, True),
        ({"reset": True, "after": True}, True),
        ({"delay_after": 2.5}, True),
        ({"location": ""}, True),
        ({"reset": True, "after": True}, False),
        ({"status": 503}, True),
    ],
)
def test_one_build_whatever_the_answer(
    world: World, fault: dict[str, object], modern: bool
) -> None:
    master = world.add_master("m1", modern=modern, options="timeout = 1\n")
    master.add_job("unit", "sleep 1\n")
    world.start()
    world.await_function("build:unit")
    master.faults.add("buildWithParameters", times=1, **fault)
    heard = world.submit("build:unit", "u1")
    assert heard.ended(60.0) == "SUCCESS"
    assert len(master.builds(uuid="u1")) == 1


def test_crumbs_expire(world: World) -> None:
    master = world.add_master("m1")
    world.options["m1"] = world.options["m1"].replace("api-token", "password")
    master.add_job("unit", "true\n")
    world.start()
    world.await_function("build:unit")
    assert world.submit("build:unit", "u1").ended() == "SUCCESS"
    master.expire_crumbs()
    assert world.submit("build:unit", "u2").ended() == "SUCCESS"


def test_credentials_change_while_a_build_runs(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "sleep 3\n")
    master.add_job("style", "true\n")
    daemon = world.start()
    world.await_function("build:unit")
    heard = world.submit("build:unit", "u1")
    heard.started()
    master.change_password("zuul", "password2", "api-token2")
    # That of the build which runs stays until it has ended.
    eventually(lambda: "build:style" not in world.functions(), "functions to go")
    world.options["m1"] = world.options["m1"].replace("api-token", "api-token2")
    daemon.reconfigure(parse_config(world.text(), "shim.conf"))
    assert heard.ended() == "SUCCESS"
    world.await_function("build:unit")
    assert world.submit("build:unit", "u2").ended() == "SUCCESS"
    assert len(master.builds()) == 2


def test_a_master_is_restarted(world: World) -> None:
    master = world.add_master("m1", options="grace = 5\n")
    master.add_job("unit", "sleep 2\n")
    world.start()
    world.await_function("build:unit")
    heard = world.submit("build:unit", "u1")
    heard.started()
    master.kill()
    eventually(lambda: not world.functions() - {"stop:m1", "set_description:m1"}, "functions", 30)
    master.start()
    # Nobody knows how it ended: no result, or a failure without a verdict.
    assert heard.ended(60.0) in (None, Outcome.FAIL, Outcome.EXCEPTION)
    world.await_function("build:unit")
    assert world.submit("build:unit", "u2").ended() == "SUCCESS"


def test_a_master_that_shuts_down_leaves_its_builds_to_others(world: World) -> None:
    one, two = world.add_master("one"), world.add_master("two")
    for master in (one, two):
        master.add_job("unit", "sleep 1\n")
    world.start()
    eventually(lambda: world.workers("build:unit") >= 2, "both masters")
    one.quiet_down(True)
    eventually(lambda: world.workers("build:unit") == 1, "one master")
    heard = [world.submit("build:unit", f"u{number}") for number in range(4)]
    assert [each.ended() for each in heard] == ["SUCCESS"] * 4
    assert one.builds() == []
    one.quiet_down(False)
    eventually(lambda: world.workers("build:unit") == 2, "both masters")


def test_jobs_are_added_and_taken_away(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "true\n")
    world.start()
    world.await_function("build:unit")
    master.add_job("style", "true\n")
    world.await_function("build:style", 5.0)
    master.set_disabled("unit", True)
    eventually(lambda: "build:unit" not in world.functions(), "the disabled job to go", 5.0)
    master.set_disabled("unit", False)
    world.await_function("build:unit", 5.0)
    master.remove_job("style")
    eventually(lambda: "build:style" not in world.functions(), "the removed job to go", 5.0)


def test_threads_and_sockets_are_bounded(world: World) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        master = world.add_master(f"m{number}")
        master.add_job("unit", "true\n")
        for node in range(20):
            master.add_node(f"n{node}", "linux", 1, "NORMAL")
    world.start()
    world.await_function("build:unit")
    opened = len(os.listdir("/proc/self/fd")) - before
    assert opened < 120
