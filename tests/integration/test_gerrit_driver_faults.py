"""The Gerrit driver on a sandbox that misbehaves: nothing that happened is lost, nothing hangs."""

from __future__ import annotations

import json
import logging
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.integration.gerrit_driver_world import World, wait_for
from tests.sandbox.gerrit import SandboxGerrit
from zuul.core.commands import TestedState
from zuul.core.events import TriggerReceived
from zuul.drivers.gerrit import watcher
from zuul.drivers.gerrit.driver import GerritDriver, Tuning
from zuul.lib.secret import Secret
from zuul.model.change import Change, ChangeKey, Ref

pytestmark = pytest.mark.integration

PROJECT = "org/demo"
GATE = {"verified": 2, "submit": True}


@pytest.fixture
def gerrit(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "gerrit") as sandbox:
        sandbox.create_project(PROJECT)
        yield sandbox


@pytest.fixture
def world(gerrit: SandboxGerrit, tmp_path: Path) -> World:
    return World(gerrit, tmp_path / "world")


@pytest.fixture
def driver(world: World) -> Iterator[GerritDriver]:
    with world.driver() as started:
        wait_for("stream", started.listening.is_set)
        yield started


def told_change(world: World, number: int) -> Change:
    subject = world.wait_trigger("patchset-created", number).subject
    assert isinstance(subject, Change)
    return subject


def approved(world: World, gerrit: SandboxGerrit, subject: str = "Add a") -> Change:
    """A change that only lacks our vote, as the driver told it."""
    number = gerrit.upload(PROJECT, subject).number
    gerrit.approve(number)
    found = world.wait_trigger("comment-added", number).subject
    assert isinstance(found, Change)
    return found


def reconnected(gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    wait_for("a new stream", lambda: gerrit.listeners == 1 and driver.listening.is_set())


class TestStream:
    def test_bad_lines_are_named_and_the_stream_goes_on(
        self,
        world: World,
        gerrit: SandboxGerrit,
        driver: GerritDriver,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        broken = {"type": "comment-added", "change": {"project": "x", "number": "five"}}
        for text in ("garbage\n", '{"type": "comment-add\n', "\n", json.dumps(broken) + "\n"):
            gerrit.send_raw(text)
        change = told_change(world, gerrit.upload(PROJECT, "After").number)
        assert change.project == PROJECT
        assert "not JSON" in caplog.text
        assert "patchSet: is missing" in caplog.text
        assert len(caplog.records) >= 3

    def test_a_comment_of_a_mebibyte(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        number = gerrit.upload(PROJECT, "Add a").number
        gerrit.comment(number, "x" * 1024 * 1024)
        told = world.wait_trigger("comment-added", number)
        assert isinstance(told.subject, Change)
        assert told.event.comment is not None and len(told.event.comment) == 64 * 1024

    def test_nothing_is_lost_or_doubled_over_reconnects(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        heard = gerrit.upload(PROJECT, "Heard").number
        told_change(world, heard)
        gerrit.faults.stream_refused = True
        gerrit.close_streams()
        wait_for("stream down", lambda: not driver.listening.is_set())
        missed = gerrit.upload(PROJECT, "Missed").number
        gerrit.approve(missed)
        gerrit.abandon(heard)
        gerrit.faults.stream_refused = False
        world.wait_trigger("change-abandoned", heard)
        comment = world.wait_trigger("comment-added", missed)
        assert {a.label: a.value for a in comment.event.approvals} == {
            "code-review": 2,
            "workflow": 1,
        }
        reconnected(gerrit, driver)
        gerrit.close_streams()
        wait_for("stream down again", lambda: not driver.listening.is_set())
        reconnected(gerrit, driver)
        last = gerrit.upload(PROJECT, "Last").number
        told_change(world, last)
        counts = {
            (kind, number): len(world.triggers(kind, number))
            for kind in ("patchset-created", "comment-added", "change-abandoned")
            for number in (heard, missed)
        }
        assert counts == {
            ("patchset-created", heard): 1,
            ("patchset-created", missed): 1,
            ("comment-added", heard): 0,
            ("comment-added", missed): 1,
            ("change-abandoned", heard): 1,
            ("change-abandoned", missed): 0,
        }

    def test_a_branch_that_moved_unheard(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        first, second = (approved(world, gerrit, subject) for subject in ("A", "B"))
        for change in (first, second):
            gerrit.vote(int(change.key.number), "Verified", 2)
        gerrit.submit(int(first.key.number))
        world.wait_trigger("change-merged")
        before = gerrit.branch_head(PROJECT)
        gerrit.faults.stream_muted = True
        gerrit.submit(int(second.key.number))
        gerrit.faults.stream_muted = False
        told = len(world.triggers("ref-updated"))
        gerrit.close_streams()
        world.wait_trigger("change-merged", int(second.key.number))
        moved = world.wait_trigger("ref-updated", count=told + 1)
        assert isinstance(moved.subject, Ref)
        assert (moved.event.ref, moved.event.oldrev) == ("refs/heads/master", before)
        assert moved.event.newrev == gerrit.branch_head(PROJECT)

    def test_a_catch_up_that_fails_is_done_with_the_next_stream(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.faults.query_failures.append((1, "fatal: no"))
        gerrit.faults.stream_muted = True
        number = gerrit.upload(PROJECT, "Missed").number
        gerrit.faults.stream_muted = False
        gerrit.close_streams()
        told_change(world, number)
        assert gerrit.faults.query_failures == []

    def test_a_peer_that_went_silent_is_found_out(
        self,
        world: World,
        gerrit: SandboxGerrit,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(watcher, "PROBE_SECONDS", 0.3)
        with world.driver(keepalive=1) as driver:
            wait_for("stream", driver.listening.is_set)
            gerrit.faults.stalled.add("version")
            wait_for("the probe", lambda: "gerrit version timed out" in caplog.text)
            gerrit.faults.stalled.clear()
            told_change(world, gerrit.upload(PROJECT, "Add a").number)


class TestLookUps:
    def test_an_event_nobody_wants_costs_no_query(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        world.interest.predicate = lambda event: False
        gerrit.faults.stalled.add("query")
        number = gerrit.upload(PROJECT, "Add a").number
        told = world.wait_trigger("patchset-created", number)
        assert (told.subject, told.changes) == (None, ())
        gerrit.faults.stalled.clear()

    def test_an_unwanted_event_does_not_overtake(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        world.interest.predicate = lambda event: event.type == "patchset-created"
        gerrit.faults.delays["query"] = 0.3
        number = gerrit.upload(PROJECT, "Add a").number
        gerrit.comment(number, "hello")
        world.wait_trigger("comment-added", number)
        kinds = [
            e.event.type
            for e in world.told
            if isinstance(e, TriggerReceived) and e.event.number == str(number)
        ]
        assert kinds == ["patchset-created", "comment-added"]

    def test_changes_are_looked_up_side_by_side(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.faults.delays["query"] = 0.5
        numbers = [gerrit.upload(PROJECT, f"Change {n}").number for n in range(30)]
        began = time.monotonic()
        for number in numbers:
            told_change(world, number)
        assert time.monotonic() - began < 30 * 0.5 / 2

    def test_an_event_survives_a_server_that_cannot_answer(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.faults.query_cut_at = 50
        number = gerrit.upload(PROJECT, "Add a").number
        wait_for("a failed look-up", lambda: driver._source.waiting == 1)
        gerrit.faults.query_cut_at = None
        assert told_change(world, number).key.number == str(number)

    def test_a_refused_query_is_asked_again(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.faults.query_failures += [(1, "fatal: the index is not ready")] * 2
        told_change(world, gerrit.upload(PROJECT, "Add a").number)

    def test_a_row_that_lacks_a_field_is_named(
        self,
        world: World,
        gerrit: SandboxGerrit,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with world.driver(tuning=Tuning(settle=0.2)) as driver:
            wait_for("stream", driver.listening.is_set)
            gerrit.faults.missing_keys = frozenset({"branch"})
            number = gerrit.upload(PROJECT, "Add a").number
            assert world.wait_trigger("patchset-created", number).subject is None
            gerrit.faults.missing_keys = frozenset()
            told_change(world, gerrit.upload(PROJECT, "Add b").number)
        assert "branch: is missing" in caplog.text

    def test_rest_that_fails_does_not_stop_the_gate(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.faults.rest_status = 401
        assert told_change(world, gerrit.upload(PROJECT, "A").number).submit_requirements is None
        gerrit.faults.rest_status = 503
        number = gerrit.upload(PROJECT, "B").number
        wait_for("a failed look-up", lambda: driver._source.waiting == 1)
        gerrit.faults.rest_status = None
        assert told_change(world, number).submit_requirements is not None

    def test_a_merge_moves_a_branch(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = approved(world, gerrit)
        gerrit.vote(int(change.key.number), "Verified", 2)
        gerrit.submit(int(change.key.number))
        world.wait_trigger("change-merged")
        moved = [
            told.subject
            for told in world.triggers("ref-updated")
            if isinstance(told.subject, Ref) and told.subject.ref == "refs/heads/master"
        ]
        head = gerrit.branch_head(PROJECT)
        assert [ref.newrev for ref in moved][-1] == head
        url = f"{gerrit.endpoint.http_url}/gitweb?p={PROJECT}.git;a=commitdiff;h={head}"
        assert moved[-1].url == url

    def test_refresh_while_the_server_is_busy(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        number = gerrit.upload(PROJECT, "A").number
        gerrit.faults.delays["query"] = 0.3
        driver.refresh((ChangeKey("gerrit", str(number), "1"),))
        assert [c.key.number for c in world.wait_refreshed().changes] == [str(number)]


class TestHostKeys:
    def known_hosts(self, tmp_path: Path, text: str) -> Path:
        path = tmp_path / "known_hosts"
        path.write_text(text)
        return path

    def test_an_unknown_key_is_refused_and_says_what_to_do(
        self,
        world: World,
        gerrit: SandboxGerrit,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        path = self.known_hosts(tmp_path, "")
        with world.driver(known_hosts=path):
            wait_for("the refusal", lambda: "ssh-keyscan" in caplog.text)
        assert f"ssh-keyscan -p {gerrit.endpoint.ssh_port} 127.0.0.1 >> {path}" in caplog.text
        assert "SHA256:" in caplog.text
        assert gerrit.listeners == 0
        refusals = [r for r in caplog.records if "ssh-keyscan" in r.getMessage()]
        assert len(refusals) == 1

    def test_a_missing_file_is_an_empty_one(
        self, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with world.driver(known_hosts=tmp_path / "none"):
            wait_for("the refusal", lambda: "ssh-keyscan" in caplog.text)

    def test_a_changed_key_is_refused(
        self,
        world: World,
        gerrit: SandboxGerrit,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        kind = gerrit.endpoint.known_hosts.read_text().split()[1]
        other = asyncssh.generate_private_key(kind).export_public_key().decode().split()
        line = f"[127.0.0.1]:{gerrit.endpoint.ssh_port} {other[0]} {other[1]}\n"
        with world.driver(known_hosts=self.known_hosts(tmp_path, line)):
            wait_for("the refusal", lambda: "CHANGED" in caplog.text)
        assert "ssh-keygen -R" in caplog.text
        assert gerrit.listeners == 0


class TestReports:
    def test_reports_on_one_change_keep_their_order(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = told_change(world, gerrit.upload(PROJECT, "A").number)
        waits = [world.start_report(driver, change, {}, message=f"report {n}") for n in range(8)]
        assert all(wait().reported for wait in waits)
        texts = [text for user, text in gerrit.messages(int(change.key.number)) if user == "zuul"]
        assert [text.split()[-1] for text in texts] == [str(n) for n in range(8)]

    def test_099_text_on_stderr_is_no_failure(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = told_change(world, gerrit.upload(PROJECT, "A").number)
        gerrit.faults.review_failures.append((0, "warning: replication is slow"))
        assert world.report(driver, change, {"verified": 1}).reported

    def test_a_vote_that_comes_after_the_change_was_closed_is_no_error(
        self,
        world: World,
        gerrit: SandboxGerrit,
        driver: GerritDriver,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        change = told_change(world, gerrit.upload(PROJECT, "A").number)
        world.review("core", int(change.key.number), "--abandon")
        assert not world.report(driver, change, {"verified": 1}).reported
        assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []

    def test_a_refused_report_says_why(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = told_change(world, gerrit.upload(PROJECT, "A").number)
        gerrit.faults.review_failures.append((1, "\nerror: no can do\nmore"))
        done = world.report(driver, change, {"verified": 1})
        assert not done.reported
        assert "error: no can do" in (done.reason or "")

    def test_a_ref_cannot_be_reported_on(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        gerrit.create_branch(PROJECT, "stable")
        ref = world.wait_trigger("ref-updated").subject
        done = world.report(driver, ref, {})  # type: ignore[arg-type]
        assert not done.reported

    def test_the_server_goes_away_in_between(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = told_change(world, gerrit.upload(PROJECT, "A").number)
        assert world.report(driver, change, {"verified": 1}).reported

        def cut() -> None:
            for connection in list(gerrit.connections):
                connection.abort()

        gerrit.call(cut)
        assert world.report(driver, change, {"verified": -1}).reported
        assert gerrit.votes(int(change.key.number))["Verified"] == {"zuul": -1}


class TestSubmits:
    def submit(self, world: World, driver: GerritDriver, change: Change, **trees: Any) -> Any:
        tested = TestedState(None, trees.get("tree"), trees.get("base_tree"))
        return world.report(driver, change, GATE, submit=tested)

    def test_a_refusal_says_why(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = approved(world, gerrit)
        gerrit.faults.submit_refusals.append("error: merge conflict in a")
        done = self.submit(world, driver, change)
        assert (done.reported, done.merged) == (False, False)
        assert "merge conflict" in done.reason
        assert gerrit.status(int(change.key.number)) == "NEW"

    def test_a_server_that_lies_about_the_merge(self, world: World, gerrit: SandboxGerrit) -> None:
        with world.driver(tuning=Tuning(merge=1.0, undecided=0.5)) as driver:
            wait_for("stream", driver.listening.is_set)
            change = approved(world, gerrit)
            gerrit.faults.submit_lies = True
            done = self.submit(world, driver, change)
        assert (done.reported, done.merged) == (False, False)
        assert "not merged" in done.reason

    def test_somebody_else_merged_it(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = approved(world, gerrit)
        number = int(change.key.number)
        gerrit.vote(number, "Verified", 2)
        gerrit.submit(number)
        done = self.submit(world, driver, change)
        assert (done.reported, done.merged) == (False, True)
        assert "zuul" not in gerrit.votes(number).get("Verified", {})

    def test_an_abandoned_change(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = approved(world, gerrit)
        gerrit.abandon(int(change.key.number))
        done = self.submit(world, driver, change)
        assert (done.reported, done.merged) == (False, False)
        assert "ABANDONED" in done.reason

    def test_the_connection_breaks_during_the_submit(
        self, world: World, gerrit: SandboxGerrit, driver: GerritDriver
    ) -> None:
        change = approved(world, gerrit)
        number = int(change.key.number)
        gerrit.faults.delays["submit"] = 1.0
        wait = world.start_report(driver, change, GATE, submit=TestedState(None, None, None))
        cutter = threading.Thread(target=self.cut_when_submitting, args=(gerrit, driver))
        cutter.start()
        done = wait()
        cutter.join()
        merged = gerrit.status(number) == "MERGED"
        assert done.merged is merged
        said = [text for user, text in gerrit.messages(number) if user == "zuul"]
        assert len([text for text in said if "Build succeeded." in text]) <= 1

    def cut_when_submitting(self, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
        wait_for("the report's login", lambda: driver._connections._all or None)
        wait_for("three logins", lambda: len(gerrit.connections) >= 3 or None)
        gerrit.call(lambda: [c.abort() for c in list(gerrit.connections)] and None)


def test_secrets_stay_out_of_the_log(
    world: World, gerrit: SandboxGerrit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with world.driver(password=Secret("correct-horse")) as driver:
        wait_for("stream", driver.listening.is_set)
        told_change(world, gerrit.upload(PROJECT, "A").number)
    assert "correct-horse" not in caplog.text
    assert b64encode(b"zuul:correct-horse").decode() not in caplog.text
    assert "check user and password" in caplog.text
