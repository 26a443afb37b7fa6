"""What the sandbox Gerrit does beyond a real one: faults, old servers, help for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.sandbox.developer import Developer
from tests.sandbox.gerrit import SandboxGerrit
from tests.sandbox.gerrit_reviews import Refused

pytestmark = pytest.mark.integration
PROJECT = "org/one"


@pytest.fixture
def gerrit(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "gerrit") as server:
        server.create_project(PROJECT)
        yield server


@pytest.fixture
def old_gerrit(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "old", modern=False) as server:
        server.create_project(PROJECT)
        yield server


class Stream:
    """Lines of an event stream, as an ssh program hears them."""

    def __init__(self, gerrit: SandboxGerrit) -> None:
        before = gerrit.listeners
        command = gerrit.endpoint.ssh_argv("zuul", "gerrit stream-events")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.lines: list[bytes] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_until(lambda: gerrit.listeners > before, "the stream")

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, b""))

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._thread.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def listen(gerrit: SandboxGerrit) -> Iterator[Callable[[], Stream]]:
    streams: list[Stream] = []

    def start() -> Stream:
        streams.append(Stream(gerrit))
        return streams[-1]

    yield start
    for stream in streams:
        stream.close()


def wait_until(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)


def approved(gerrit: SandboxGerrit, subject: str = "A change") -> int:
    number = gerrit.upload(PROJECT, subject).number
    gerrit.approve(number)
    gerrit.vote(number, "Verified", 2, "zuul")
    return number


def test_people_act_through_the_python_side(gerrit: SandboxGerrit) -> None:
    number = approved(gerrit)
    assert gerrit.votes(number) == {
        "Code-Review": {"core": 2},
        "Workflow": {"core": 1},
        "Verified": {"zuul": 2},
    }
    gerrit.abandon(number)
    assert gerrit.status(number) == "ABANDONED"
    gerrit.restore(number)
    gerrit.set_topic(number, "t")
    gerrit.submit(number)
    assert gerrit.status(number) == "MERGED"
    assert gerrit.branch_head(PROJECT) == gerrit.store.changes[number].current.revision
    assert gerrit.read_file(PROJECT, "A-change.txt") == "A change"
    with pytest.raises(Refused, match="change is merged"):
        gerrit.submit(number)
    kinds = [event["type"] for event in gerrit.events_seen() if event["type"] != "ref-updated"]
    assert kinds[-4:] == ["change-abandoned", "change-restored", "topic-changed", "change-merged"]


def test_a_developer_pushes_odd_names(gerrit: SandboxGerrit, tmp_path: Path) -> None:
    project, branch = "org/with blank é", 'a"b;c$(id)'
    gerrit.create_project(project, files={"a": "a"})
    gerrit.create_branch(project, branch)
    developer = Developer(gerrit.endpoint, "dev", tmp_path / "dev")
    upload = developer.upload(project, "Odd", {"-x": "1"}, branch=branch)
    row = gerrit.endpoint.ssh("zuul", f"gerrit query --format json {upload.number}").rows()[0]
    assert (row["project"], row["branch"]) == (project, branch)


@pytest.mark.parametrize("command", ["query", "review", "submit"])
def test_answers_can_be_delayed(gerrit: SandboxGerrit, command: str) -> None:
    number = approved(gerrit)
    gerrit.faults.delays[command] = 0.4
    words = {"query": f"query --format json {number}"}.get(command, f"review --submit {number},1")
    started = time.monotonic()
    assert gerrit.endpoint.ssh("zuul", f"gerrit {words}").exit_code == 0
    assert time.monotonic() - started >= 0.4


def test_a_command_can_stall(gerrit: SandboxGerrit) -> None:
    gerrit.faults.stalled.add("query")
    with pytest.raises(subprocess.TimeoutExpired):
        gerrit.endpoint.ssh("zuul", "gerrit query --format json 1", timeout_seconds=0.5)
    gerrit.faults.clear()
    assert gerrit.endpoint.ssh("zuul", "gerrit query --format json 1").exit_code == 0


def test_submits_can_be_refused(gerrit: SandboxGerrit) -> None:
    number = approved(gerrit)
    gerrit.faults.submit_refusals.append("Server Error")
    said = gerrit.endpoint.ssh("zuul", f"gerrit review --submit {number},1")
    assert said.exit_code == 1 and said.stderr.startswith("error: fatal: Server Error\n")
    assert gerrit.endpoint.ssh("zuul", f"gerrit review --submit {number},1").exit_code == 0


def test_a_submit_can_lie(gerrit: SandboxGerrit) -> None:
    number = approved(gerrit)
    gerrit.faults.submit_lies = True
    assert gerrit.endpoint.ssh("zuul", f"gerrit review --submit {number},1").exit_code == 0
    assert gerrit.status(number) == "NEW"


def test_the_branch_can_move_later_than_the_change_merges(gerrit: SandboxGerrit) -> None:
    one, two = approved(gerrit, "One"), approved(gerrit, "Two")
    before = gerrit.branch_head(PROJECT)
    gerrit.faults.merge_visible_after = 0.3
    gerrit.submit(one)
    gerrit.submit(two)
    assert gerrit.status(two) == "MERGED" and gerrit.branch_head(PROJECT) == before
    wait_until(lambda: gerrit.branch_head(PROJECT) != before, "the branch")
    wait_until(lambda: _has(gerrit, "Two.txt"), "the second merge")
    assert gerrit.read_file(PROJECT, "One.txt") == "One"


def _has(gerrit: SandboxGerrit, path: str) -> bool:
    try:
        gerrit.read_file(PROJECT, path)
    except KeyError:
        return False
    return True


def test_votes_can_vanish(gerrit: SandboxGerrit) -> None:
    number = gerrit.upload(PROJECT, "A change").number
    gerrit.faults.drop_vote = lambda label, _value, _who: label == "Verified"
    assert gerrit.endpoint.ssh("zuul", f"gerrit review --verified 2 {number},1").exit_code == 0
    assert gerrit.votes(number) == {}


def test_commands_can_fail(gerrit: SandboxGerrit) -> None:
    gerrit.faults.query_failures.append((1, "fatal: internal server error\n"))
    gerrit.faults.review_failures.append((128, ""))
    assert gerrit.endpoint.ssh("zuul", "gerrit query --format json 1").exit_code == 1
    assert gerrit.endpoint.ssh("zuul", "gerrit review -m x 1,1").exit_code == 128


def test_rows_can_be_incomplete(gerrit: SandboxGerrit) -> None:
    number = gerrit.upload(PROJECT, "A change").number
    gerrit.faults.missing_keys = frozenset({"status", "number"})
    row = gerrit.endpoint.ssh("zuul", f"gerrit query --format json {number}").rows()[0]
    assert "project" in row and not {"status", "number"} & row.keys()
    gerrit.faults.clear()
    gerrit.faults.query_cut_at = 40
    said = gerrit.endpoint.ssh("zuul", f"gerrit query --format json {number}")
    assert len(said.stdout) == 40


def test_rest_can_fail(gerrit: SandboxGerrit) -> None:
    gerrit.faults.rest_status = 503
    assert gerrit.endpoint.rest("zuul", "GET", "/config/server/version").status == 503
    # git is not REST
    url = f"{gerrit.endpoint.http_url}/{PROJECT}/info/refs?service=git-upload-pack"
    assert requests.get(url, timeout=5).status_code == 200


def test_streams_can_be_broken_muted_and_closed(
    gerrit: SandboxGerrit, listen: Callable[[], Stream]
) -> None:
    stream = listen()
    gerrit.send_raw('{"type": "comment-added", \n')
    wait_until(lambda: len(stream.lines) == 1, "the broken line")
    gerrit.faults.stream_muted = True
    number = gerrit.upload(PROJECT, "Unheard").number
    gerrit.faults.stream_muted = False
    gerrit.comment(number, "x" * 2**20)
    wait_until(lambda: any(b"x" * 2**20 in line for line in stream.lines), "the long comment")
    kinds = [json.loads(line)["type"] for line in stream.lines[1:]]
    assert "patchset-created" not in kinds and "comment-added" in kinds
    gerrit.close_streams()
    wait_until(lambda: stream.ended, "the end of the stream")
    assert gerrit.listeners == 0
    second = listen()
    gerrit.drop_connections()
    wait_until(lambda: second.ended, "the end of the connection")


def test_new_streams_can_be_refused(gerrit: SandboxGerrit) -> None:
    gerrit.faults.stream_refused = True
    assert gerrit.endpoint.ssh("zuul", "gerrit stream-events").exit_code == 1


def test_a_strange_host_key_is_noticed(gerrit: SandboxGerrit) -> None:
    assert gerrit.endpoint.ssh("zuul", "gerrit version").exit_code == 0
    gerrit.change_host_key()
    said = gerrit.endpoint.ssh("zuul", "gerrit version")
    assert said.exit_code == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in said.stderr


def test_a_strange_key_may_not_log_in(gerrit: SandboxGerrit) -> None:
    identities = gerrit.endpoint.identities
    identities["core"] = identities["dev"]
    said = gerrit.endpoint.ssh("core", "gerrit version")
    assert said.exit_code == 255 and "Permission denied" in said.stderr


def test_an_old_server_speaks_as_in_2013(old_gerrit: SandboxGerrit) -> None:
    gerrit = old_gerrit
    one = gerrit.upload(PROJECT, "One").number
    two = gerrit.upload(PROJECT, "Two").number
    gerrit.vote(one, "Approved", 1)
    flags = "--current-patch-set --submit-records"
    row = gerrit.endpoint.ssh("zuul", f"gerrit query --format json {flags} {one}").rows()[0]
    assert (row["number"], row["currentPatchSet"]["number"]) == (str(one), "1")
    assert row["currentPatchSet"]["approvals"][0]["type"] == "APRV"
    record = row["submitRecords"][0]
    assert record["status"] == "NOT_READY"
    assert [(r["label"], r["status"]) for r in record["labels"]] == [
        ("Verified", "NEED"),
        ("Code-Review", "NEED"),
        ("Approved", "OK"),
    ]
    event = gerrit.events_seen("comment-added")[0]
    assert event["change"]["number"] == str(one) and "changeKey" not in event
    query = "gerrit query --format json status:open limit:1"
    first, stats = gerrit.endpoint.ssh("zuul", query).rows()
    assert "moreChanges" not in stats
    rest = gerrit.endpoint.ssh("zuul", f"{query} resume_sortkey:{first['sortKey']}").rows()
    assert {first["number"], rest[0]["number"]} == {str(one), str(two)}
    gerrit.vote(one, "Code-Review", 2)
    gerrit.vote(one, "Verified", 2, "zuul")
    gerrit.submit(one)
    update = gerrit.events_seen("ref-updated")[-2]["refUpdate"]
    assert update["refName"] == "master"


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sandbox.gerrit", "--dir", str(tmp_path / "g")]
    process = subprocess.Popen([*command, "--projects", "a,b"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        answer = requests.get(f"{facts['url']}/projects/", timeout=10)
        assert json.loads(answer.text.partition("\n")[2]).keys() == {"a", "b"}
    finally:
        process.terminate()
        process.communicate(timeout=10)
