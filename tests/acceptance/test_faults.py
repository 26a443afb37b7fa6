"""What goes wrong around the gate, and what it makes of it. Seen from outside."""

from __future__ import annotations

import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.people import LAYOUT, Site
from tests.sandbox.developer import Developer
from tests.sandbox.gerrit_git import Repository, Signature
from tests.support.processes import wait_for
from zuul.lib.gearman import GearmanWorker, Reply, Task

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

StartSite = Callable[..., Site]


def push_past_review(site: Site, project: str, name: str) -> None:
    """What an administrator in a hurry does."""
    hurried = Developer(site.endpoint, "zuul", site.developer.folder / "hurried")
    tree = hurried.start(project)
    hurried.commit(project, "Push past review", {name: "hurried\n"})
    hurried.git(tree, "push", "-q", "origin", "HEAD:refs/heads/master")


def test_a_branch_that_moves_during_the_tests_is_tested_as_it_is_now(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    upload = site.push("acme/one", "Slow", files={"slow": "3"})
    site.expect_vote(upload, "Verified +1")
    site.expect_idle()
    site.approve(upload)
    site.expect_item("gate", upload)
    wait_for(
        lambda: all(job["start_time"] for job in site.expect_item("gate", upload)["jobs"]),
        "running builds",
    )
    push_past_review(site, "acme/one", "hurried")
    site.expect_merged(upload)
    runs = site.build_logs()
    assert runs.count("['.git', 'hurried', 'one.txt', 'slow']") == 2, (
        "both jobs ran on the moved branch"
    )


def move_branch(repository: Repository) -> None:
    """Put a commit on master; to be called by the sandbox's own thread."""
    head = repository.ref("refs/heads/master")
    assert head is not None
    who = Signature("Hurry", "hurry@example.org", 0)
    tree = repository.tree_with(head, {"hurried": "hurried\n"})
    repository.set_ref("refs/heads/master", repository.commit(tree, (head,), "Hurry\n", who, who))


def test_a_merge_that_lands_as_something_untested_raises_an_alarm_and_stops_the_queue(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    first = site.push("acme/one", "First")
    second = site.push("acme/two", "Second")
    for upload in (first, second):
        site.expect_vote(upload, "Verified +1")
    site.expect_idle()
    heads: list[str] = []

    def move_the_branch_before_the_vote(label: str, value: int, username: str) -> bool:
        if (label, value, username) == ("Verified", 2, "zuul") and not heads:
            # The gate has looked at the branch already, and is about to submit.
            heads.append(label)
            move_branch(site.gerrit.repository("acme/one"))
        return False

    site.gerrit.faults.drop_vote = move_the_branch_before_the_vote
    site.approve(first)
    site.expect_merged(first)
    server = site.suite.processes["zuul-server"]
    server.wait_for_words("queue has stopped", 30)

    site.approve(second)
    item = site.expect_item("gate", second)
    wait_for(
        lambda: all(j["result"] for j in site.expect_item("gate", second)["jobs"]), "finished jobs"
    )
    assert site.review(second).status == "NEW", "nothing merges from a stopped queue"
    assert item["project"] == "acme/two"

    server.send(signal.SIGHUP)
    site.expect_merged(second)


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Counter[str]]]:
    """A statsd on loopback: its port, and the keys it heard."""
    keys: Counter[str] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        stopping = threading.Event()

        def listen() -> None:
            while not stopping.is_set():
                try:
                    text = server.recv(65536).decode()
                except TimeoutError:
                    continue
                for line in text.splitlines():
                    key, _, kind = line.rpartition("|")
                    keys[f"{key.split(':')[0]}|{kind}"] += 1

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], keys
        stopping.set()
        thread.join(5)


def test_statsd_hears_the_keys_that_dashboards_know(
    sandbox: object, start_site: StartSite, statsd: tuple[int, Counter[str]]
) -> None:
    port, keys = statsd
    environment = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(port)}
    site = start_site(sandbox, environment=environment)
    upload = site.push("acme/one", "Counted")
    site.approve(upload)
    site.expect_merged(upload)
    site.expect_idle()
    wanted = [
        "gerrit.event.patchset-created|c",
        "gerrit.event.comment-added|c",
        "zuul.pipeline.gate.current_changes|g",
        "zuul.pipeline.gate.resident_time|ms",
        "zuul.pipeline.gate.total_changes|c",
        "zuul.pipeline.gate.acme.one.resident_time|ms",
        "zuul.pipeline.gate.acme.one.total_changes|c",
        "zuul.pipeline.gate.all_jobs|c",
        "zuul.pipeline.gate.job.unit.SUCCESS|c",
        "zuul.pipeline.gate.job.unit.SUCCESS|ms",
        "zuul.pipeline.gate.job.unit.wait_time|ms",
        "zuul.geard.queue.total|g",
        "zuul.geard.packet.SUBMIT_JOB_HIGH|c",
    ]

    def missing() -> list[str]:
        return [key for key in wanted if key not in keys]

    wait_for(lambda: not missing(), "all keys", 20, lambda: f"missing: {missing()}")


class OddWorker:
    """A worker of `build:unit` and `build:shared` whose manners a test chooses."""

    def __init__(self, site: Site, answer: Callable[[Task, int], Reply]) -> None:
        self.runs = 0
        self._answer = answer
        self._worker = GearmanWorker(
            "odd",
            "127.0.0.1",
            site.suite.gearman_port,
            {"build:unit": self._build, "build:shared": self._build},
        )

    def _build(self, task: Task) -> Reply:
        self.runs += 1
        return self._answer(task, self.runs)

    def __enter__(self) -> OddWorker:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop(5)


def test_a_worker_that_answers_garbage_is_tried_again_and_named_in_the_log(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox, workers=0)
    garbage: list[Reply] = [b"\xff\xfe not json", b"[1, 2]", {"result": "SUCCESS"}]

    def answer(task: Task, run: int) -> Reply:
        task.send_data(b'{"number": [], "url": 7, "worker_ips": "x"')
        return garbage[min(run, 3) - 1]

    with OddWorker(site, answer) as worker:
        wait_for(lambda: site.suite.gearman_workers().get("build:unit"), "the worker")
        upload = site.push("acme/one", "Odd")
        site.expect_vote(upload, "Verified +1")
        assert worker.runs == 3
    log = site.suite.processes["zuul-server"].log(300_000)
    assert "unit" in log
    assert "Traceback" not in log


def test_a_worker_that_never_gives_a_result_ends_in_a_failure_vote(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox, workers=0)
    with OddWorker(site, lambda task, run: {"result": None}) as worker:
        wait_for(lambda: site.suite.gearman_workers().get("build:unit"), "the worker")
        upload = site.push("acme/one", "Never")
        review = site.expect_vote(upload, "Verified -1")
        assert "RETRY_LIMIT" in review.comments[-1]
        assert worker.runs == 3


def test_jobs_that_nobody_serves_are_reported_as_not_registered(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox, workers=0)
    review = site.expect_vote(site.push("acme/one", "Alone"), "Verified -1")
    assert "NOT_REGISTERED" in review.comments[-1]


def test_broken_stream_lines_and_foreign_projects_disturb_nobody(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    gerrit = site.gerrit
    wait_for(lambda: gerrit.listeners, "the gate's event stream")
    gerrit.send_raw('{"type": "patchset-created", "change": {"proj\n')
    gerrit.send_raw('{"type": ["x"], "change": 7}\n\x00\xff garbage\n[]\n"text"\n')
    gerrit.send_raw('{"type":"comment-added","comment":"' + "a" * (1 << 20) + '"}\n')
    gerrit.create_project("other/foreign")
    gerrit.upload("other/foreign", "Foreign")
    # A name that begins with a dash is refused by the merger; the others are mere names.
    for branch, vote in (("-x", -1), ('a"b;c', 1), ("$(touch-owned)", 1), ("ünïcode", 1)):
        gerrit.create_branch("acme/one", branch)
        change = gerrit.upload("acme/one", f"On {len(branch)}", branch=branch)
        votes = wait_for(
            lambda number=change.number: gerrit.votes(number).get("Verified"),
            f"a vote on branch {branch}",
            60,
            site.suite.logs,
        )
        assert votes == {"zuul": vote}, site.suite.logs()
    assert site.suite.processes["zuul-server"].popen.poll() is None


def test_gerrit_that_refuses_submits_leaves_the_change_with_the_reason(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    first = site.push("acme/one", "Refused")
    second = site.push("acme/two", "Fine")
    site.expect_vote(first, "Verified +1")
    site.expect_vote(second, "Verified +1")
    site.expect_idle()
    site.gerrit.faults.submit_refusals.append("fatal: the submit was refused by a hook")
    site.approve(first, second)
    site.expect_merged(second)
    site.expect_idle()
    assert site.suite.processes["zuul-server"].has_said("refused by a hook")
    told = wait_for(
        lambda: [said for said in site.review(first).comments if "was not merged" in said],
        "a comment that tells why",
        20,
        lambda: site.explain(first),
    )
    assert "refused by a hook" in told[0]
    assert site.review(first).status == "NEW"


def test_a_change_that_loses_its_approval_in_the_gate_is_not_merged_and_told_why(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    upload = site.push("acme/one", "Recalled", files={"slow": "2"})
    site.approve(upload)
    site.expect_item("gate", upload)
    site.say(upload, "--label Workflow=0")
    told = wait_for(
        lambda: [said for said in site.review(upload).comments if "was not merged" in said],
        "a comment that tells why",
        60,
        lambda: site.explain(upload),
    )
    assert "Workflow" in told[0]
    assert site.review(upload).status == "NEW"


def test_what_came_while_the_server_was_dead_is_made_up_for(
    sandbox: object, start_site: StartSite
) -> None:
    site = start_site(sandbox)
    approved = site.push("acme/two", "Approved")
    site.expect_vote(approved, "Verified +1")
    site.expect_idle()
    site.suite.processes["zuul-server"].kill()
    site.approve(approved)
    pushed = site.push("acme/one", "Pushed")
    site.suite.start_server()
    site.expect_merged(approved)
    site.expect_vote(pushed, "Verified +1")


def test_a_catastrophic_pattern_and_a_hostile_comment_stop_nobody(
    sandbox: object, start_site: StartSite
) -> None:
    hostile = LAYOUT.replace(
        "comment: (?i)^(Patch Set [0-9]+:)?\\s*recheck", "comment: ^Patch Set 1:\\s+(a|aa)+$"
    )
    assert hostile != LAYOUT
    site = start_site(sandbox, layout=hostile)
    first = site.push("acme/one", "First")
    site.expect_vote(first, "Verified +1")
    for _ in range(20):
        site.gerrit.comment(first.number, "a" * 60 + "!")
    second = site.push("acme/two", "Second")
    site.expect_vote(second, "Verified +1", 20)
    log = site.suite.processes["zuul-server"].log(500_000)
    assert "A regular expression gave up" in log
    assert "layout.yaml" in log.split("A regular expression gave up")[1].splitlines()[0]
