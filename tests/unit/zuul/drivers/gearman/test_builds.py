"""Builds, with the test as server and worker."""

from __future__ import annotations

import json
import queue
from typing import Any

import pytest

from tests.unit.zuul.drivers.gearman.fakes import DriverBench
from zuul.core.commands import CancelBuild, DescribeBuild, LaunchBuild
from zuul.core.events import BuildCompleted, BuildStarted, BuildUpdated
from zuul.drivers.gearman.builds import GearmanBuilds
from zuul.lib.gearman import ClientJob, Outcome, Priority
from zuul.model.layout import Precedence

DATA = {"name": "unit", "number": 7, "manager": "jenkins01", "url": "http://j/7"}


class Bench(DriverBench):
    """A driver whose events are in `events`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.admin.serve("build:unit", "set_description:jenkins01")
        self.builds = GearmanBuilds(
            self.client,  # type: ignore[arg-type]
            self.admin,  # type: ignore[arg-type]
            self.events.append,
            clock=lambda: 1000.0,
            make_thread=self.make_thread,
            **options,
        )

    def launch(self, build: str = "u1", function: str = "build:unit") -> ClientJob:
        self.builds.launch(LaunchBuild(build, "unit", function, {"A": "b"}, Precedence.HIGH))
        return self.client.last()

    def running(self, data: dict[str, Any] | None = None) -> ClientJob:
        job = self.launch()
        self.client.create(job)
        job.listener.job_data(job, json.dumps(DATA if data is None else data).encode())
        return job

    def ended(self) -> list[tuple[str, str | None]]:
        return [
            (event.build, event.result) for event in self.events if type(event) is BuildCompleted
        ]

    def arguments(self) -> tuple[str, dict[str, Any]]:
        job = self.client.last()
        return job.function, json.loads(job.arguments)


def test_launch_start_update_and_success() -> None:
    bench = Bench()
    job = bench.launch()
    assert (job.function, job.unique, job.priority) == ("build:unit", "u1", Priority.HIGH)
    assert json.loads(job.arguments) == {"A": "b", "ZUUL_UUID": "u1"}
    bench.client.create(job)
    assert bench.events == []
    job.listener.job_data(job, json.dumps(DATA).encode())
    job.listener.job_status(job)
    job.listener.job_data(job, b'{"url": "http://j/7/console", "worker_name": "w"}')
    bench.client.end(job, data=b'{"result": "SUCCESS", "node_labels": ["trusty"]}')
    started, updated, completed = bench.events
    assert isinstance(started, BuildStarted) and started.at == 1000.0
    assert (started.data.number, started.data.manager) == (7, "jenkins01")
    assert isinstance(updated, BuildUpdated) and updated.data.url == "http://j/7/console"
    assert isinstance(completed, BuildCompleted) and completed.result == "SUCCESS"
    assert completed.data is not None
    assert (completed.data.number, completed.data.node_labels) == (7, ("trusty",))


@pytest.mark.parametrize(
    ("outcome", "last_data", "result"),
    [
        (Outcome.COMPLETE, b'{"result": "FAILURE"}', "FAILURE"),
        (Outcome.COMPLETE, b'{"result": null}', None),
        (Outcome.COMPLETE, b"{}", None),
        (Outcome.COMPLETE, b"garbage", None),
        (Outcome.FAIL, b'{"result": "ABORTED"}', "ABORTED"),
        (Outcome.FAIL, b"{}", None),
        (Outcome.EXCEPTION, b'{"result": "FAILURE"}', "FAILURE"),
        (Outcome.EXCEPTION, b"{}", None),
        (Outcome.LOST, b'{"result": "SUCCESS"}', None),
        (Outcome.NO_HANDLE, b"{}", "NO_HANDLE"),
        (Outcome.REFUSED, b"{}", "EXCEPTION"),
    ],
)
def test_results(outcome: Outcome, last_data: bytes, result: str | None) -> None:
    bench = Bench()
    job = bench.running()
    job.listener.job_data(job, last_data)
    bench.client.end(job, outcome)
    assert bench.ended() == [("u1", result)]
    assert bench.builds.running == 0


def test_only_the_last_data_counts_for_the_result() -> None:
    bench = Bench()
    job = bench.running({"result": "SUCCESS"})
    bench.client.end(job, data=b'{"number": 7}')
    assert bench.ended() == [("u1", None)]


def test_build_that_never_said_anything_has_no_data() -> None:
    bench = Bench()
    job = bench.launch()
    bench.client.create(job)
    bench.client.end(job, Outcome.FAIL)
    assert bench.events == [BuildCompleted("u1", None, None, 1000.0)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"\xff\xfe", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"[" * 100_000, "too deeply nested"),
        (b'{"number": [1]}', "field number"),
        (b'{"number": NaN}', "field number"),
        (b'{"result": 5}', "field result"),
        (b'{"result": "x\\ny"}', "field result"),
        (b'{"worker_ips": "10.0.0.1"}', "field worker_ips"),
        (b'{"url": {}}', "field url"),
        (b'"' + b"x" * 2_000_000 + b'"', "too much"),
    ],
)
def test_bad_data_is_named_and_survived(
    text: bytes, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    job = bench.running()
    job.listener.job_data(job, text)
    assert "build=u1" in caplog.text and named in caplog.text
    bench.client.end(job, data=b'{"result": "SUCCESS"}')
    assert bench.ended() == [("u1", "SUCCESS")]


def test_second_end_and_late_news_change_nothing() -> None:
    bench = Bench()
    job = bench.running()
    bench.client.end(job, data=b'{"result": "SUCCESS"}')
    count = len(bench.events)
    job.listener.job_ended(job, Outcome.FAIL, b"")
    job.listener.job_data(job, b'{"number": 9}')
    assert len(bench.events) == count


def test_news_of_an_earlier_job_are_not_taken_for_those_of_a_later_one() -> None:
    bench = Bench()
    earlier = bench.running()
    bench.client.end(earlier, Outcome.FAIL)
    bench.launch()
    earlier.listener.job_ended(earlier, Outcome.COMPLETE, b'{"result": "SUCCESS"}')
    assert bench.ended() == [("u1", None)]


def test_function_nobody_registered() -> None:
    bench = Bench()
    bench.builds.launch(LaunchBuild("u1", "x", "build:x", {}, Precedence.NORMAL))
    assert bench.ended() == [("u1", "NOT_REGISTERED")]
    assert bench.client.jobs == []


def test_functions_are_asked_for_as_rarely_as_can_be() -> None:
    bench = Bench()
    for number in range(5):
        bench.launch(f"known{number}")
    assert bench.admin.asked == 1
    for number in range(5):
        bench.builds.launch(LaunchBuild(f"x{number}", "x", "build:x", {}, Precedence.NORMAL))
    assert bench.admin.asked == 1
    bench.client.generation += 1
    bench.launch("after")
    assert bench.admin.asked == 2


def test_without_the_check_everything_is_submitted() -> None:
    bench = Bench(check_registration=False)
    bench.launch(function="build:x")
    assert bench.admin.asked == 0 and bench.ended() == []


def test_server_that_cannot_be_asked_gets_the_build_all_the_same() -> None:
    bench = Bench()
    bench.admin.broken = OSError("gone")
    bench.launch()
    assert len(bench.client.jobs) == 1


@pytest.mark.parametrize("error", [queue.Full("full"), ValueError("name")])
def test_build_that_cannot_be_submitted(error: Exception) -> None:
    bench = Bench()
    bench.client.refuses = error
    bench.builds.launch(LaunchBuild("u1", "unit", "build:unit", {}, Precedence.NORMAL))
    assert bench.ended() == [("u1", "EXCEPTION")]


def test_noop_needs_no_worker() -> None:
    bench = Bench()
    bench.builds.launch(LaunchBuild("u1", "noop", "build:noop", {}, Precedence.NORMAL))
    assert bench.ended() == [("u1", "SUCCESS")]


def test_cancel_in_the_queue() -> None:
    bench = Bench()
    job = bench.launch()
    bench.client.create(job)
    bench.builds.cancel(CancelBuild("u1"))
    assert bench.client.asked == [job] and bench.admin.cancelled == []
    job.listener.job_known(job, known=True, running=False)
    assert bench.admin.cancelled == [job.handle]
    assert bench.ended() == [("u1", "CANCELED")]
    assert bench.client.open == []


def test_cancel_before_the_server_has_it() -> None:
    bench = Bench()
    job = bench.launch()
    bench.builds.cancel(CancelBuild("u1"))
    bench.client.create(job)
    job.listener.job_known(job, known=True, running=False)
    assert bench.ended() == [("u1", "CANCELED")]


def test_cancel_while_it_runs_is_sent_once() -> None:
    bench = Bench()
    job = bench.running()
    bench.builds.cancel(CancelBuild("u1"))
    bench.builds.cancel(CancelBuild("u1"))
    job.listener.job_status(job)
    assert bench.arguments() == ("stop:jenkins01", {"name": "unit", "number": 7})
    assert bench.client.last().priority is Priority.HIGH
    assert len(bench.client.jobs) == 2
    bench.client.end(job, data=b'{"result": "ABORTED"}')
    assert bench.ended() == [("u1", "ABORTED")]


def test_cancel_of_one_that_starts_meanwhile_stops_it() -> None:
    bench = Bench()
    job = bench.launch()
    bench.client.create(job)
    bench.builds.cancel(CancelBuild("u1"))
    job.listener.job_known(job, known=True, running=True)
    job.listener.job_status(job)
    assert bench.admin.cancelled == [] and len(bench.client.jobs) == 1
    job.listener.job_data(job, json.dumps(DATA).encode())
    assert bench.arguments()[0] == "stop:jenkins01"


def test_cancelled_build_whose_worker_is_silent_is_given_up() -> None:
    bench = Bench(cancel_seconds=60.0)
    bench.running()
    bench.builds.cancel(CancelBuild("u1"))
    bench.tick(59.0)
    assert bench.ended() == []
    bench.tick(61.0)
    assert bench.ended() == [("u1", "CANCELED")]


def test_stop_nobody_serves_is_taken_back() -> None:
    bench = Bench()
    bench.running()
    bench.builds.cancel(CancelBuild("u1"))
    stop = bench.client.last()
    bench.client.create(stop)
    bench.tick(299.0)
    assert stop in bench.client.open
    bench.tick(301.0)
    assert stop not in bench.client.open
    assert stop.handle in bench.admin.cancelled


def test_build_the_server_forgot_is_lost_when_it_says_so_twice() -> None:
    bench = Bench(ask_seconds=300.0)
    job = bench.running()
    bench.tick(299.0)
    assert bench.client.asked == []
    bench.tick(301.0)
    assert bench.client.asked == [job]
    job.listener.job_known(job, known=False, running=False)
    assert bench.ended() == []
    bench.tick(6.0)
    assert bench.client.asked == [job, job]
    job.listener.job_known(job, known=False, running=False)
    assert bench.ended() == [("u1", "LOST")]


def test_build_the_server_knows_is_asked_about_again_later() -> None:
    bench = Bench(ask_seconds=300.0)
    job = bench.running()
    bench.tick(301.0)
    job.listener.job_known(job, known=True, running=True)
    bench.tick(302.0)
    assert len(bench.client.asked) == 1
    bench.tick(700.0)
    assert len(bench.client.asked) == 2
    assert bench.ended() == []


def test_asking_is_spread_over_time() -> None:
    bench = Bench()
    for number in range(500):
        bench.client.create(bench.launch(f"u{number}"))
    bench.tick(301.0)
    assert len(bench.client.asked) == 200
    bench.tick(302.0)
    bench.tick(303.0)
    assert len(bench.client.asked) == 500


def test_description_while_it_runs_and_after() -> None:
    bench = Bench()
    job = bench.running()
    bench.builds.describe(DescribeBuild("u1", "<b>one</b>"))
    wanted = {"name": "unit", "number": 7, "html_description": "<b>one</b>"}
    assert bench.arguments() == ("set_description:jenkins01", wanted)
    assert bench.client.last().priority is Priority.LOW
    bench.client.end(job, data=b'{"result": "SUCCESS"}')
    bench.builds.describe(DescribeBuild("u1", "two"))
    assert bench.arguments()[1]["html_description"] == "two"


def test_no_description_where_it_means_nothing() -> None:
    bench = Bench()
    bench.launch()
    bench.builds.describe(DescribeBuild("u1", "not started"))
    bench.builds.describe(DescribeBuild("unknown", "x"))
    assert len(bench.client.jobs) == 1
    del bench.admin.functions["set_description:jenkins01"]
    job = bench.running({**DATA, "manager": "other"})
    bench.builds.describe(DescribeBuild("u1", "not registered"))
    assert bench.client.last() is job
