"""The sandbox worker: real Gearman, real git, real commands."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.gerrit import SandboxGerrit
from tests.sandbox.worker import SandboxWorker, parse_job, parse_jobs, text_parameters
from zuul.lib.gearman import ClientJob, GearmanClient, GearmanServer, Outcome

pytestmark = pytest.mark.integration

PASS = "import os, sys; print(sorted(os.environ)); print(open('org/one/a').read())"
BOTH = "print(open('org/one/a').read() + open('org/two/b').read())"
SLEEP = "import time; time.sleep(60)"
JOBS = {
    "pass": {"command": [sys.executable, "-c", PASS], "projects": []},
    "fail": {"command": [sys.executable, "-c", "raise SystemExit(3)"], "projects": []},
    "both": [sys.executable, "-c", BOTH],
    "sleep": {"command": [sys.executable, "-c", SLEEP], "projects": []},
    "missing": {"command": ["/nonexistent/program"], "projects": []},
}


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.end: tuple[Outcome, bytes] | None = None
        self.statuses = 0

    def job_created(self, job: ClientJob) -> None: ...
    def job_known(self, job: ClientJob, known: bool, running: bool) -> None: ...

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self.data.append(json.loads(data))

    def job_status(self, job: ClientJob) -> None:
        self.statuses += 1

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.end = (outcome, data)

    def result(self) -> Any:
        wait_until(lambda: self.end is not None, "the end of the build")
        assert self.end is not None and self.end[0] is Outcome.COMPLETE
        return json.loads(self.end[1])["result"]


def wait_until(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


@pytest.fixture
def gerrit(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "gerrit") as server:
        server.create_project("org/one", files={"a": "one"})
        server.create_project("org/two", files={"b": "two"})
        yield server


@pytest.fixture
def client() -> Iterator[GearmanClient]:
    server = GearmanServer("127.0.0.1", 0)
    server.start()
    client = GearmanClient("test", "127.0.0.1", server.port)
    yield client
    client.close()
    server.stop()


@pytest.fixture
def build(
    gerrit: SandboxGerrit, client: GearmanClient, tmp_path: Path
) -> Iterator[Callable[..., Heard]]:
    jobs = {name: parse_job(name, value) for name, value in JOBS.items()}
    port = client._link.connection.port
    base = gerrit.endpoint.http_url
    worker = SandboxWorker("127.0.0.1", port, jobs, tmp_path / "w", base, manager="m")
    worker.start()

    def submit(job: str, **parameters: Any) -> Heard:
        heard = Heard()
        client.submit(f"build:{job}", json.dumps(parameters).encode(), heard)
        return heard

    yield submit
    worker.stop()


def parameters_of_a_change(gerrit: SandboxGerrit, **more: Any) -> dict[str, Any]:
    """Parameters of a change whose prepared ref is the change's own."""
    change = gerrit.upload("org/one", "Change a", {"a": "changed"})
    return {
        "ZUUL_PROJECT": "org/one",
        "ZUUL_URL": gerrit.endpoint.http_url,
        "ZUUL_REF": change.current.ref,
        "ZUUL_BRANCH": "master",
        "ZUUL_CHANGES": f"org/one:master:{change.current.ref}",
        **more,
    }


def read_log(heard: Heard) -> str:
    return Path(heard.data[0]["url"].removeprefix("file://")).read_text()


def test_a_build_runs_on_what_was_prepared(
    gerrit: SandboxGerrit, build: Callable[..., Heard]
) -> None:
    heard = build("pass", **parameters_of_a_change(gerrit), ZUUL_UUID="u", NONE=None)
    assert heard.result() == "SUCCESS"
    started = heard.data[0]
    assert (started["name"], started["manager"]) == ("pass", "m")
    assert isinstance(started["number"], int)
    assert heard.statuses >= 1
    text = read_log(heard)
    assert "changed" in text
    assert "ZUUL_UUID" in text and "NONE" not in text


def test_a_failing_command_fails_the_build(
    gerrit: SandboxGerrit, build: Callable[..., Heard]
) -> None:
    assert build("fail", **parameters_of_a_change(gerrit)).result() == "FAILURE"
    assert build("missing", **parameters_of_a_change(gerrit)).result() == "FAILURE"


def test_a_job_that_names_no_projects_gets_all(
    gerrit: SandboxGerrit, build: Callable[..., Heard]
) -> None:
    heard = build("both", **parameters_of_a_change(gerrit))
    assert heard.result() == "SUCCESS"
    assert "changedtwo" in read_log(heard)


def test_a_moved_branch_is_built_at_its_new_revision(
    gerrit: SandboxGerrit, build: Callable[..., Heard]
) -> None:
    head = gerrit.branch_head("org/one")
    heard = build("pass", ZUUL_PROJECT="org/one", ZUUL_REF="refs/heads/master", ZUUL_NEWREV=head)
    assert heard.result() == "SUCCESS"


def test_what_cannot_be_fetched_is_no_result(
    gerrit: SandboxGerrit, build: Callable[..., Heard]
) -> None:
    wrong = parameters_of_a_change(gerrit) | {"ZUUL_REF": "refs/zuul/master/Znone"}
    assert build("pass", **wrong).result() is None


@pytest.mark.parametrize("project", ["../outside", "--upload-pack=x", "/etc"])
def test_a_project_cannot_leave_the_workspace(
    gerrit: SandboxGerrit, build: Callable[..., Heard], project: str
) -> None:
    heard = build("pass", **(parameters_of_a_change(gerrit) | {"ZUUL_PROJECT": project}))
    assert heard.result() is None
    assert "leaves the workspace" in read_log(heard)


def test_a_build_can_be_stopped(
    gerrit: SandboxGerrit, build: Callable[..., Heard], client: GearmanClient
) -> None:
    heard = build("sleep", **parameters_of_a_change(gerrit))
    wait_until(lambda: bool(heard.data), "the start")
    wanted = {"name": "sleep", "number": heard.data[0]["number"]}
    outcome, _text = client.call("stop:m", json.dumps(wanted).encode(), timeout_seconds=10)
    assert outcome is Outcome.COMPLETE
    assert heard.result() == "ABORTED"


def test_bad_jobs_are_named() -> None:
    with pytest.raises(ValueError, match="job x: expected a list"):
        parse_jobs("x: {command: echo}")


def test_only_what_can_be_a_variable_becomes_one() -> None:
    arguments = {"A": 1, "B-C": "x", "D": "a\0b", "E": None, "F": "$(id)"}
    assert text_parameters(arguments) == {"A": "1", "F": "$(id)"}
