"""Report text, and what follows from how a report went."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import DEFAULT_TREE, check_config, gate_config, tree
from zuul.core import commands, events
from zuul.core.messages import ReportOptions, format_seconds
from zuul.core.reporting import MOST_BASE_MOVES
from zuul.model.job import Job
from zuul.model.layout import ActionKind, ReportAction

PATTERN = "http://logs/{change.number}/{change.patchset}/{pipeline.name}/{job.name}/{build.number}"
TREE = tree(
    (Job("a"), [Job("b")]),
    Job("nv", voting=False, success_message="YAY", failure_message="NAY"),
)


def check_gate(**more: Any) -> Gate:
    options = ReportOptions(url_pattern=PATTERN, job_name_in_report=True)
    return Gate(check_config({"p": TREE}, **more), options=options)


def test_full_report() -> None:
    """The example of the contract, 8.3."""
    gate = check_gate(footer_message="FOOT")
    gate.upload(make_change(1))
    gate.start("nv 1", number=1)
    gate.finish("nv 1", number=1)
    gate.start("a 1", number=0)
    gate.finish("a 1", "FAILURE")
    assert gate.reports[-1].message == (
        "Build failed.\n\n"
        "- a http://logs/1/1/check/a/0 : FAILURE in 1s\n"
        "- b http://logs/1/1/check/b/None : SKIPPED\n"
        "- nv http://logs/1/1/check/nv/1 : YAY in 1s (non-voting)\n"
        "\nFOOT"
    )


def test_url_of_the_build_or_name_of_the_job_without_a_pattern() -> None:
    jobs = tree(
        Job("a", success_pattern="{build.parameters[LOG_PATH]}"),
        "b",
        Job("c", success_pattern="{job.__class__}"),
        "d",
    )
    gate = Gate(check_config({"p": jobs}), options=ReportOptions(report_times=False))
    gate.upload(make_change(1))
    uuid = gate.build("a 1").build
    gate.finish("a 1")
    gate.finish("b 1", url="http://worker/b")
    gate.finish("c 1", url="http://worker/c")
    gate.finish("d 1")
    assert gate.reports[-1].message == (
        "Build succeeded.\n\n"
        f"- 1/1/1/check/a/{uuid[:7]} : SUCCESS\n"
        "- http://worker/b : SUCCESS\n"
        "- http://worker/c : SUCCESS\n"
        "- d : SUCCESS\n"
    )


def test_133_words_and_patterns_of_a_job_are_for_success_and_failure_alone() -> None:
    words: dict[str, Any] = {"success_message": "YAY", "failure_message": "NAY"}
    patterns = {"success_pattern": "http://good/{job.name}", "failure_pattern": "http://bad/{job}"}
    jobs = tree(*(Job(name, **words, **patterns) for name in ("well", "ill", "gone", "odd")))
    options = ReportOptions(url_pattern="http://any/{build.uuid}", report_times=False)
    gate = Gate(check_config({"p": jobs}), options=options)
    gate.upload(make_change(1))
    uuids = {name: gate.build(f"{name} 1").build for name in ("gone", "odd")}
    for name, result in (
        *(("well", "SUCCESS"), ("ill", "FAILURE")),
        *(("gone", "ABORTED"), ("odd", "Success")),
    ):
        gate.finish(f"{name} 1", result)
    assert gate.reports[-1].message == (
        "Build failed.\n\n"
        "- http://good/well : YAY\n"
        "- http://bad/ill : NAY\n"
        f"- http://any/{uuids['gone']} : ABORTED\n"
        f"- http://any/{uuids['odd']} : Success\n"
    )


def test_133_a_footer_follows_job_lines_after_a_blank_line_and_other_text_at_once() -> None:
    def reports(**more: Any) -> list[str]:
        gate = Gate(
            gate_config({"p": tree("a")}, footer_message="FOOT\nER", **more),
            options=ReportOptions(status_url="http://status", url_pattern="x"),
        )
        gate.conflicts.add("2")
        gate.approve(make_change(1))
        gate.start("a 1", number=0)
        gate.finish("a 1")
        gate.approve(make_change(2))
        return [report.message for report in gate.reports]

    assert reports(merge_failure_message="Sorry.") == [
        "Starting gate jobs.\nhttp://status\nFOOT\nER",
        "Build succeeded.\n\n- x : SUCCESS in 1s\n\nFOOT\nER",
        "Starting gate jobs.\nhttp://status\nFOOT\nER",
        "Sorry.\nFOOT\nER",
    ]


def test_138_what_a_database_is_told() -> None:
    gate = check_gate(footer_message="FOOT")
    gate.upload(make_change(1))
    gate.finish("nv 1")
    gate.finish("a 1", "FAILURE")
    report = gate.reports[-1]
    assert report.summary == "Build failed.\nFOOT"
    assert report.zuul_ref is not None and report.zuul_ref.startswith("Z")
    assert [(job.name, job.result, job.voting) for job in report.jobs] == [
        ("a", "FAILURE", True),
        ("b", "SKIPPED", True),
        ("nv", "YAY", False),
    ]
    skipped = report.jobs[1]
    assert (skipped.build, skipped.started_at, skipped.ended_at) == (None, None, None)
    assert skipped.url == "http://logs/1/1/check/b/None"


def test_durations() -> None:
    assert format_seconds(3.9) == "3s"
    assert format_seconds(123) == "2m 03s"
    assert format_seconds(3723) == "1h 02m 03s"


def test_start_report() -> None:
    options = ReportOptions(status_url="http://status")
    gate = Gate(gate_config({"p": TREE}), options=options)
    gate.approve(make_change(1))
    assert gate.reports[0].message == "Starting gate jobs.\nhttp://status"


def test_conflict_text_is_exactly_the_configured_one() -> None:
    gate = Gate(gate_config({"p": TREE}, merge_failure_message="Sorry."))
    gate.conflicts.add("1")
    gate.approve(make_change(1))
    assert gate.reports[-1].kind is ActionKind.MERGE_FAILURE
    assert gate.reports[-1].message == "Sorry."


def test_pipeline_is_disabled_after_failures_in_a_row() -> None:
    """Scenario 132, with 2 instead of 3."""
    actions = {
        ActionKind.SUCCESS: (ReportAction("gerrit"),),
        ActionKind.FAILURE: (ReportAction("gerrit"),),
        ActionKind.DISABLED: (ReportAction("mail"),),
    }
    config = check_config({"p": tree("unit")}, actions=actions, disable_after=2)
    gate = Gate(config)
    results = ["FAILURE", "SUCCESS", "FAILURE", "FAILURE", "FAILURE", "SUCCESS"]
    for number, result in enumerate(results, start=1):
        gate.upload(make_change(number))
        gate.finish(f"unit {number}", result)
    told = [report.reporters[0].connection for report in gate.reports]
    assert told == ["gerrit"] * 4 + ["mail"] * 2
    assert gate.reports[-1].message.startswith("Build succeeded.")
    assert gate.watcher.of("pipeline_disabled") == [("check", 2)]
    gate.send(events.LayoutLoaded(gate.layout))
    gate.upload(make_change(9))
    gate.finish("unit 9")
    assert gate.reports[-1].reporters[0].connection == "gerrit"


def test_conflict_in_a_disabled_pipeline() -> None:
    config = check_config({"p": tree("unit")}, disable_after=1)
    gate = Gate(config)
    gate.upload(make_change(1))
    gate.finish("unit 1", "FAILURE")
    gate.conflicts.add("2")
    gate.upload(make_change(2))
    assert gate.numbers("check") == []


class Submits(Gate):
    """Reports are answered by the test."""

    def __init__(self) -> None:
        super().__init__(gate_config({"p": tree("unit")}), reporting=False)

    def submit(self) -> commands.SendReport:
        (found,) = [r for r in self.open_reports if r.submit is not None]
        return found

    def answer(self, **more: Any) -> None:
        report = self.submit()
        self.open_reports.remove(report)
        self.send(replace(self.report_answer(report), **more))


def test_item_stays_while_its_report_is_out() -> None:
    gate = Submits()
    a = make_change(1)
    gate.approve(a, make_change(2))
    gate.finish("unit 1")
    gate.hear("change-abandoned", a)
    assert gate.numbers() == ["1,1", "2,1"]
    assert gate.items("gate")[0]["waiting_kind"] == "report"
    gate.answer()
    assert gate.numbers() == ["2,1"]
    assert gate.cancelled == []


def test_withdrawn_item_leaves_when_its_branch_moved() -> None:
    gate = Submits()
    a = make_change(1)
    gate.approve(a, make_change(2))
    gate.finish("unit 1")
    gate.hear("change-abandoned", a)
    gate.answer(merged=None, base_moved=True)
    assert gate.numbers() == ["2,1"]
    assert gate.build("unit 2").parameters["ZUUL_CHANGE_IDS"] == "2,1"


def test_moved_branch_means_a_new_test_of_all() -> None:
    gate = Submits()
    gate.approve(make_change(1), make_change(2))
    gate.finish("unit 1")
    gate.answer(reported=False, merged=None, base_moved=True)
    assert gate.running() == ["unit 1", "unit 2"]
    assert len(gate.cancelled) == 1
    assert len(gate.merges) == 4
    assert gate.window() == 20


def test_branch_that_moves_again_and_again() -> None:
    gate = Submits()
    gate.approve(make_change(1), make_change(2))
    for _ in range(MOST_BASE_MOVES + 1):
        gate.finish("unit 1")
        gate.answer(reported=False, merged=None, base_moved=True)
    report = gate.open_reports[-1]
    assert report.kind is ActionKind.FAILURE
    assert report.submit is None
    assert report.message.startswith("The branch moved each time")
    assert gate.build("unit 2").parameters["ZUUL_CHANGE_IDS"] == "2,1"


def test_other_tree_than_tested_stops_the_queue() -> None:
    gate = Submits()
    gate.approve(make_change(1), make_change(2))
    gate.finish("unit 1")
    gate.answer(tree_mismatch="1,1 merged to another tree")
    assert gate.numbers() == ["2,1"]
    assert gate.watcher.of("alarm") == [("gate", "integrated", "1,1 merged to another tree")]
    gate.finish("unit 2")
    assert [r for r in gate.open_reports if r.submit] == []
    assert "has stopped" in gate.items("gate")[0]["waiting"]
    assert gate.status()["pipelines"][0]["change_queues"][0]["stopped"]
    gate.send(events.LayoutLoaded(gate.layout))
    assert gate.submit().change.key.number == "2"  # type: ignore[union-attr]


def test_merged_though_the_report_failed() -> None:
    """The followers keep their builds, as what they were built on is what is there."""
    gate = Submits()
    gate.approve(make_change(1), make_change(2))
    gate.finish("unit 1")
    gate.answer(reported=False, merged=True)
    assert gate.numbers() == ["2,1"]
    assert gate.cancelled == []
    assert gate.window() == 20


def test_pipeline_without_reporters_forgets_its_items() -> None:
    gate = Gate(check_config({"p": DEFAULT_TREE}, actions={}))
    gate.upload(make_change(1))
    gate.finish_all()
    assert gate.numbers("check") == []
    assert gate.reports == []


def test_descriptions_are_escaped() -> None:
    gate = Gate(gate_config({"p": tree("unit")}))
    gate.approve(make_change(1, branch="<b>", url="javascript:alert(1)"))
    gate.start("unit 1", number=7, url="http://worker/7")
    gate.finish("unit 1")
    html = gate.descriptions[-1].html
    assert "&lt;b&gt;" in html
    assert "<b><b>" not in html
    assert "javascript" not in html
    assert 'href="http://worker/7"' in html
    assert "Reported result: <b>SUCCESS</b>" in html
