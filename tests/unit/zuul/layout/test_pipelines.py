"""Entries of `pipelines`: contract zuul.md 2.2 and 2.5, Appendix A."""

from __future__ import annotations

import pytest

from tests.unit.zuul.layout.texts import (
    GATE,
    PIPELINE,
    entry,
    layout,
    pipeline,
    problems,
    problems_of,
)
from tests.unit.zuul.layout.texts import warnings_of as warnings
from zuul.model.layout import (
    ActionKind,
    Growth,
    Manager,
    Precedence,
    ReportAction,
    WindowConfig,
)


def test_defaults() -> None:
    found = pipeline("")
    assert (found.name, found.manager, found.source) == ("check", Manager.INDEPENDENT, "gerrit")
    assert (found.description, found.precedence) == (None, Precedence.NORMAL)
    assert (found.success_message, found.failure_message) == ("Build succeeded.", "Build failed.")
    assert found.footer_message == ""
    assert (found.dequeue_on_new_patchset, found.ignore_dependencies) == (True, False)
    assert found.disable_after is None
    assert found.window == WindowConfig(20, 3, Growth.LINEAR, 1, Growth.EXPONENTIAL, 2)
    assert found.actions == {}


def test_default_merge_failure_message_has_the_phrases_that_readers_look_for() -> None:
    text = pipeline("").merge_failure_message
    assert text.splitlines()[:2] == ["Merge Failed.", ""]
    assert "automatically merged" in text


def test_every_key() -> None:
    found = pipeline(
        """\
        source: review
        description: what it is
        precedence: high
        success-message: well
        failure-message: ill
        merge-failure-message: apart
        footer-message: bye
        dequeue-on-new-patchset: false
        ignore-dependencies: true
        disable-after-consecutive-failures: 3
        window: 0
        window-floor: 1
        window-increase-type: exponential
        window-increase-factor: 2
        window-decrease-type: linear
        window-decrease-factor: 4
        """
    )
    assert (found.source, found.description) == ("review", "what it is")
    assert found.precedence is Precedence.HIGH
    assert (found.success_message, found.failure_message) == ("well", "ill")
    assert (found.merge_failure_message, found.footer_message) == ("apart", "bye")
    assert (found.dequeue_on_new_patchset, found.ignore_dependencies) == (False, True)
    assert found.disable_after == 3
    assert found.window == WindowConfig(0, 1, Growth.EXPONENTIAL, 2, Growth.LINEAR, 4)


def test_order_of_the_file_is_kept() -> None:
    text = "".join(PIPELINE.replace("check", name) for name in ("z", "a", "m"))
    assert [each.name for each in layout(pipelines=text).pipelines] == ["z", "a", "m"]


def test_actions_by_connection() -> None:
    found = pipeline(
        """\
        start: {review: {verified: 0}}
        success: {gerrit: {verified: 2, submit: true}, smtp: {to: a@b, subject: 's'}}
        failure: {gerrit: {}, mysql: {score: -1}}
        disabled: {smtp: {from: c@d}}
        """
    )
    assert found.actions[ActionKind.START] == (ReportAction("review", {"verified": 0}),)
    assert found.actions[ActionKind.SUCCESS] == (
        ReportAction("gerrit", {"verified": 2, "submit": True}),
        ReportAction("smtp", {"to": "a@b", "subject": "s"}),
    )
    assert found.actions[ActionKind.DISABLED] == (ReportAction("smtp", {"from": "c@d"}),)
    assert found.labels_voted() >= {"verified"}


def test_68_without_merge_failure_the_failure_reporters_tell() -> None:
    found = pipeline("failure: {gerrit: {verified: -1}}")
    assert found.actions[ActionKind.MERGE_FAILURE] == found.actions[ActionKind.FAILURE]
    found = pipeline("failure: {gerrit: {verified: -1}}\nmerge-failure: {gerrit: {}, smtp: {}}")
    assert len(found.actions[ActionKind.MERGE_FAILURE]) == 2


def test_reporters_of_zuul_1_3_have_no_name() -> None:
    found = pipeline(
        "success: {verified: 1, force-message: true}", manager="DependentPipelineManager"
    )
    assert found.actions[ActionKind.SUCCESS] == (
        ReportAction("gerrit", {"verified": 1, "force-message": True}),
    )
    found = pipeline("source: review\nfailure: {verified: -1}")
    assert found.actions[ActionKind.FAILURE] == (ReportAction("review", {"verified": -1}),)


def test_requirements() -> None:
    found = pipeline(
        """\
        require:
          open: true
          current-patchset: false
          status: [NEW, SUBMITTED]
          approval:
            - {username: ^jenkins$, newer-than: 2d, verified: [1, 2]}
            - {email-filter: x@y, older-than: 90m, Code Review: 2}
        reject: {approval: {verified: [-1, -2]}}
        """
    ).requirements
    assert (found.open, found.current_patchset) == (True, False)
    assert found.statuses == {"NEW", "SUBMITTED"}
    first, second = found.approvals.require
    assert first.username is not None
    assert first.username.pattern == "^jenkins$"
    assert (first.newer_than, first.older_than) == (172800.0, None)
    assert first.labels == {"verified": {1, 2}}
    assert second.email is not None
    assert second.older_than == 5400.0
    assert second.labels == {"code-review": {2}}
    assert [each.labels for each in found.approvals.reject] == [{"verified": {-1, -2}}]


def test_one_status_needs_no_list() -> None:
    assert pipeline("require: {status: NEW}").requirements.statuses == {"NEW"}


@pytest.mark.parametrize(
    ("interval", "seconds"), [("1s", 1), ("2m", 120), ("3h", 10800), ("4d", 345600), ("1w", 604800)]
)
def test_intervals(interval: str, seconds: int) -> None:
    found = pipeline(f"require: {{approval: [{{newer-than: {interval}}}]}}")
    assert found.requirements.approvals.require[0].newer_than == seconds


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("manager: Nobody", "pipelines[0].manager: is given twice; the first stands in line 3"),
        ("precedence: urgent", "precedence: expected one of high, low, normal, not 'urgent'"),
        ("window: -1", "window: expected 0 or more, not -1"),
        ("window-floor: 0", "window-floor: expected 1 or more, not 0"),
        ("window-increase-factor: 0", "window-increase-factor: expected 1 or more, not 0"),
        ("window-decrease-type: cubic", "expected one of exponential, linear, not 'cubic'"),
        ("disable-after-consecutive-failures: 0", "expected 1 or more, not 0"),
        ("disable-after-consecutive-failures: true", "expected a whole number, not true or false"),
        ("failure-mesage: x", "is not a known key; did you mean failure-message?"),
        ("source: smtp", "source: a connection of the driver smtp cannot do this"),
        ("source: nosuch", "source: there is no connection 'nosuch' in zuul.conf"),
        ("success: {nosuch: {}}", "success.nosuch: there is no connection 'nosuch'"),
        ("success: {smtp: {score: 1}}", "success.smtp.score: is not a known key"),
        ("success: {smtp: {to: ''}}", "success.smtp.to: expected a mail address"),
        ("success: {smtp: {to: 'a@b c'}}", "success.smtp.to: not a mail address: 'a@b c'"),
        ('success: {smtp: {from: "a@b\\nBcc: c@d"}}', "from: an address has no control characters"),
        ("success: {smtp: {to: [a@b]}}", "success.smtp.to: expected text"),
        ("success: {smtp: {subject: 'x {'}}", "success.smtp.subject: is no format string"),
        (
            "success: {smtp: {subject: '{item.id}'}}",
            "subject: only fields of {change} can be shown",
        ),
        (
            "success: {smtp: {subject: '{}'}}",
            "subject: only fields of {change} can be shown, not {}",
        ),
        ("success: {mysql: {score: high}}", "success.mysql.score: expected a whole number"),
        ("success: {mysql: {to: x}}", "success.mysql.to: is not a known key"),
        ("success: {gerrit: [verified]}", "success.gerrit: expected the reporter's map"),
        ("success: {gerrit: }", "success.gerrit: has no value"),
        ("success: {gerrit: {verified: }}", "success.gerrit.verified: has no value"),
        ("merge-failure:", "merge-failure: has no value"),
        ("merge-failure-message:", "merge-failure-message: has no value; expected text"),
        ("require: {nosuch: 1}", "require.nosuch: is not a known key"),
        ("require: {approval: [{newer-than: 5y}]}", "newer-than: expected a number and one of s,"),
        ("require: {approval: [{username: '('}]}", "username: is not a regular expression"),
        ("require: {approval: [{verified: yes}]}", "expected a whole number, not true or false"),
        ("require: {approval: [verified]}", "approval[0]: expected a map, not text"),
        ("reject: {open: true}", "reject.open: is not a known key"),
    ],
)
def test_142_mistakes(keys: str, told: str) -> None:
    (problem,) = problems_of(pipelines=entry(keys))
    assert told in problem


def test_the_old_and_the_new_form_of_an_action_do_not_mix() -> None:
    assert problems_of(pipelines=entry("success: {gerrit: {}, verified: 1}")) == [
        "pipelines[0].success.verified: expected the reporter's map, maybe {}, not a number",
        "pipelines[0].success.verified: there is no connection 'verified' in zuul.conf",
    ]


def test_142_missing_keys() -> None:
    assert problems_of(pipelines="- {}") == [
        "pipelines[0].manager: is required",
        "pipelines[0].name: is required",
        "pipelines[0].trigger: is required",
    ]
    assert problems_of(
        pipelines="- name: ''\n  manager: IndependentPipelineManager\n  trigger: {}"
    ) == ["pipelines[0].name: is empty"]


def test_142_a_pipeline_is_a_map() -> None:
    assert problems_of(pipelines="- check") == [
        "pipelines[0]: expected a pipeline, which is a map, not text"
    ]


def test_142_duplicate_pipelines() -> None:
    assert problems_of(pipelines=PIPELINE + PIPELINE) == [
        "pipelines[1].name: another pipeline is named 'check'"
    ]


def test_a_pipeline_cannot_be_named_like_a_key_of_projects() -> None:
    assert problems_of(pipelines=PIPELINE.replace("check", "template")) == [
        "pipelines[0].name: is a key of projects, not a pipeline's name"
    ]


def test_142_sections_that_are_missing_or_empty() -> None:
    assert problems("jobs: []") == ["pipelines: is required", "projects: is required"]
    assert problems("pipelines:\nprojects: []") == [
        "pipelines: has no value; expected a list of pipelines"
    ]
    assert problems("pipelines: []\nprojects: []") == []
    assert problems("pipelines: []\nprojects: []\npipeline: []") == [
        "pipeline: is not a known key; did you mean pipelines?"
    ]


def test_ignore_dependencies_in_a_dependent_pipeline_is_warned_of() -> None:
    assert warnings(pipelines=GATE + "  ignore-dependencies: true\n") == [
        "pipelines[0].ignore-dependencies: has no effect in a dependent pipeline"
    ]
