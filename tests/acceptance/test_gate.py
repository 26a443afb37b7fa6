"""The gate from outside: push, approve, look at the vote. Real processes, sockets and signals."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.people import Site
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

StartSite = Callable[..., Site]


def test_three_approved_changes_of_which_the_second_fails(
    gerrit: object, start_site: StartSite
) -> None:
    three_changes(start_site(gerrit))


def test_the_same_on_gearmand(sandbox: object, gearmand: int, start_site: StartSite) -> None:
    three_changes(start_site(sandbox, gearman_port=gearmand))


def three_changes(site: Site) -> None:
    """First merged, second rejected with its votes, third merged after a retest without it."""
    first = site.push("acme/one", "First", files={"a": "a\n", "slow": "3"})
    second = site.push("acme/one", "Second", files={"broken": "b\n"})
    third = site.push("acme/two", "Third", files={"c": "c\n"})
    site.expect_vote(first, "Verified +1")
    site.expect_vote(second, "Verified -1")
    site.expect_vote(third, "Verified +1")
    site.expect_idle()

    site.approve(first, second, third)
    site.expect_merged(first)
    rejected = site.expect_vote(second, "Verified -2")
    site.expect_merged(third)
    assert rejected.status == "NEW"
    assert "Build failed." in rejected.comments[-1]
    assert rejected.comments[-1].count("FAILURE") == 2
    (passed,) = [text for text in site.review(first).comments if "Build succeeded." in text][-1:]
    assert passed.count("SUCCESS") == 2
    site.expect_idle()
    # What landed is what was tested, and the rejected change is in none of it.
    assert site.developer.fetch_file("acme/one", "refs/heads/master", "a") == "a\n"
    with pytest.raises(RuntimeError):
        site.developer.fetch_file("acme/one", "refs/heads/master", "broken")


def test_a_check_votes_within_seconds_and_a_new_patch_set_replaces_the_old(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    upload = site.push("acme/one", "Slow", files={"slow": "60"})
    site.expect_item("check", upload)
    again = site.push("acme/one", "Slow", files={"slow": "0.1"}, change_id=upload.change_id)
    assert again.number == upload.number
    started = time.monotonic()
    site.expect_vote(again, "Verified +1")
    assert time.monotonic() - started < 30, "the old patch set's build was waited for"
    site.expect_idle()


def test_what_happened_while_the_stream_was_down_is_made_up_for(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    wait_for(lambda: site.gerrit.listeners, "the gate's event stream")
    site.gerrit.faults.stream_refused = True
    site.gerrit.close_streams()
    upload = site.push("acme/one", "Unheard")
    site.gerrit.faults.stream_refused = False
    site.expect_vote(upload, "Verified +1")


def test_what_happened_while_the_gate_was_down_is_made_up_for(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    site.expect_vote(site.push("acme/one", "Before"), "Verified +1")
    server = site.suite.processes["zuul-server"]
    server.send(signal.SIGTERM)
    assert server.wait(20) == 0
    upload = site.push("acme/two", "Meanwhile")
    site.suite.start_server()
    site.expect_vote(upload, "Verified +1")


def test_a_reload_keeps_what_runs_and_a_bad_layout_changes_nothing(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    server = site.suite.processes["zuul-server"]
    upload = site.push("acme/one", "Slow", files={"slow": "6"})
    item = site.expect_item("check", upload)
    before = site.suite.status()["last_reconfigured"]
    good = site.suite.layout_path.read_text()

    site.suite.layout_path.write_text(good.replace("manager: Dep", "manger: Dep"))
    server.send(signal.SIGHUP)
    server.wait_for_words("manger", 20)
    assert site.suite.status()["last_reconfigured"] == before

    site.suite.layout_path.write_text(good + "  - name: acme/three\n    check: [unit]\n")
    server.send(signal.SIGHUP)
    wait_for(lambda: site.suite.status()["last_reconfigured"] > before, "reload", 20)
    kept = site.expect_item("check", upload)
    assert kept["enqueue_time"] == item["enqueue_time"]
    site.expect_vote(upload, "Verified +1")
    assert site.build_logs().count("slow") == 1, "the build ran once"


def test_a_worker_that_dies_has_its_build_run_elsewhere(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    upload = site.push("acme/one", "Slow", files={"slow": "4"})

    def running() -> str | None:
        (job,) = site.expect_item("check", upload)["jobs"]
        return str(job["worker"]["name"]) if job["start_time"] else None

    name = wait_for(running, "a running build", 30, site.suite.logs)
    for number in (1, 2):
        worker = site.suite.processes[f"worker-{number}"]
        if name.endswith(f"-{worker.popen.pid}"):
            worker.kill()
            break
    else:
        pytest.fail(f"no worker is called {name}")
    site.expect_vote(upload, "Verified +1")


def test_a_merger_that_dies_leaves_its_share_to_the_other(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    site.expect_vote(site.push("acme/one", "Before"), "Verified +1")
    site.suite.processes["zuul-merger-1"].kill()
    first = site.push("acme/one", "First")
    second = site.push("acme/two", "Second")
    site.approve(first, second)
    site.expect_merged(first)
    site.expect_merged(second)


def test_a_graceful_exit_waits_for_what_runs_and_keeps_what_comes_for_the_next_start(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    server = site.suite.processes["zuul-server"]
    running = site.push("acme/one", "Runs", files={"slow": "4"})
    site.expect_item("check", running)
    server.send(signal.SIGUSR1)
    wait_for(lambda: "message" in site.suite.status(), "message that it will exit", 20)
    waiting = site.push("acme/one", "Waits")
    assert server.wait(60) == 0
    assert "Verified +1 by zuul" in site.review(running).votes
    assert "Verified +1 by zuul" not in site.review(waiting).votes

    site.suite.start_server()
    site.expect_vote(waiting, "Verified +1")


def test_156_usr2_dumps_stacks_and_term_ends_within_seconds(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox, workers=0)
    server = site.suite.processes["zuul-server"]
    server.send(signal.SIGUSR2)
    server.wait_for_words("Thread: scheduler", 20)
    server.send(signal.SIGTERM)
    assert server.wait(15) == 0
    merger = site.suite.processes["zuul-merger-1"]
    merger.send(signal.SIGUSR1)
    assert merger.wait(15) == 0


def test_the_file_with_the_password_is_never_logged(sandbox: object, start_site: StartSite) -> None:
    site = start_site(sandbox)
    upload = site.push("acme/one", "Quiet")
    site.expect_vote(upload, "Verified +1")
    password = site.endpoint.identity("zuul").http_password
    for process in site.suite.processes.values():
        assert not process.has_said(f"password={password}")
        command_line = Path(f"/proc/{process.popen.pid}/cmdline")
        if os.path.exists(command_line):
            assert password.encode() not in command_line.read_bytes()
