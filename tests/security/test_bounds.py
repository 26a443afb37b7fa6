"""How much of what strangers send is kept, shown and passed on."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.zuul.daemon.test_dispatcher import report
from tests.unit.zuul.layout.texts import file as layout_file
from zuul.core.urls import TemplateError, expand
from zuul.daemon.dispatcher import ReportRun
from zuul.drivers.gearman.payload import parse_report
from zuul.layout.loader import check_layout, check_text
from zuul.lib import logs
from zuul.lib.logs import SafeFormatter
from zuul.lib.secret import Secret
from zuul.model.build import BuildData


@pytest.mark.parametrize(
    "packet",
    [
        {"url": "x" * 5000},
        {"number": "9" * 5000},
        {"worker_name": "x" * 1_000_000},
        {"worker_ips": ["1"] * 257},
        {"node_labels": ["x" * 5000]},
        {"worker_extra": {"a": "x" * 70_000}},
        {"worker_extra": {"a": float("nan")}},
    ],
)
def test_a_worker_is_heard_in_bounded_words(packet: dict[str, Any]) -> None:
    """A field beyond the limit is told and counts as absent; the others stay."""
    report = parse_report(json.dumps({**packet, "result": "SUCCESS"}).encode(), BuildData())
    assert len(report.problems) == 1
    assert report.result == "SUCCESS"
    assert report.data == BuildData()


@pytest.mark.parametrize("template", ["{job:9999999999}", "{job:>1000}", "{job:{n}}"])
def test_no_template_pads_a_link_with_a_gigabyte(template: str) -> None:
    with pytest.raises(TemplateError):
        expand(template, {"job": "unit", "n": "9999999999"})
    assert expand("{job:>8}", {"job": "unit"}) == "    unit"


def test_no_template_walks_into_the_program() -> None:
    for template in ("{job.__class__}", "{job.__class__.__init__.__globals__}", "{job[0].x}"):
        with pytest.raises(TemplateError):
            expand(template, {"job": "unit"})


class Told:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def report(self, request: Any, _action: object, _done: object) -> None:
        self.texts += [request.message, request.summary]


def test_no_reporter_is_told_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = logs.Redactor()
    redactor.hide([Secret("pa55word")])
    monkeypatch.setattr("zuul.daemon.dispatcher.redact", redactor.redact)
    told = Told()
    message = "Merge failed: could not read https://zuul:pa55word@review/a/x"
    request = replace(report("gerrit"), message=message, summary=message)
    ReportRun(request, {"gerrit": told}, lambda _event: None).start()  # type: ignore[arg-type]
    assert told.texts == ["Merge failed: could not read https://zuul:********@review/a/x"] * 2


def test_code_that_others_can_change_is_told(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(item, job, params): pass\n")
    path = tmp_path / "layout.yaml"
    jobs = "[{name: a, parameter-function: f}]"
    path.write_text("includes:\n  - python-file: f.py\n" + layout_file(jobs=jobs))
    (tmp_path / "f.py").chmod(0o644)
    assert check_layout(path).warnings == ()
    (tmp_path / "f.py").chmod(0o664)
    (warning,) = check_layout(path).warnings
    assert "runs with the scheduler's rights" in warning.text and "chmod go-w" in warning.text


@pytest.mark.parametrize("name", [r"a\nb", r"a\e[2J", r"a\u202eb", r"\0"])
def test_names_have_no_control_characters(name: str) -> None:
    text = (
        f'pipelines:\n  - name: "{name}"\n    manager: IndependentPipelineManager\n'
        f'projects:\n  - name: "{name}"\n    "{name}": ["{name}"]\n'
    )
    checked = check_text(text, "layout.yaml", connections={"gerrit": "gerrit"})
    keys = {problem.key for problem in checked.problems}
    assert {"pipelines[0].name", "projects[0].name"} <= keys


def test_what_a_branch_is_called_makes_no_record() -> None:
    """Log injection, from the event to the line."""
    branch = "x\r\n2026-01-01 00:00:00 CRITICAL zuul.Scheduler: all is lost \x1b[31m"
    record = logging.LogRecord(
        "zuul", logging.INFO, "f", 1, "Change %s", (logs.fields(branch=branch),), None
    )
    line = SafeFormatter(logging.Formatter("%(levelname)s %(message)s")).format(record)
    assert "\n" not in line and "\x1b" not in line and "\r" not in line
    assert line.startswith('INFO Change branch="x\\r\\n2026-01-01')
