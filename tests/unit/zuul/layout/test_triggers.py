"""Triggers: contract zuul.md 2.3 and 2.4, and Zuul 1.3's."""

from __future__ import annotations

import pytest

from tests.unit.zuul.layout.texts import entry, file, pipeline, problems_of, warnings_of
from zuul.layout.loader import parse_layout
from zuul.model.matching import EventFilter


def filters(trigger: str, keys: str = "") -> tuple[EventFilter, ...]:
    return pipeline(f"trigger: {trigger}\n{keys}").filters


def complaints(trigger: str) -> list[str]:
    found = problems_of(pipelines=entry(f"trigger: {trigger}"))
    return [each.removeprefix("pipelines[0].trigger.") for each in found]


def test_every_key_of_a_gerrit_filter() -> None:
    (found,) = filters(
        "{review: [{event: [comment-added, patchset-created], branch: [a, b], comment: c, email: e,"
        " username: [u, v], approval: [{Code Review: 2}, {verified: -1}],"
        " require-approval: [{username: x}], reject-approval: {verified: -2}}]}"
    )
    assert found.trigger == "review"
    assert found.types == {"comment-added", "patchset-created"}
    assert [each.pattern for each in found.branches] == ["a", "b"]
    assert [each.pattern for each in found.comments] == ["c"]
    assert [each.pattern for each in found.emails] == ["e"]
    assert [each.pattern for each in found.usernames] == ["u", "v"]
    assert found.approvals == {"code-review": 2, "verified": -1}
    assert len(found.change_approvals.require) == 1
    assert found.change_approvals.reject[0].labels == {"verified": {-2}}
    assert found.ignore_deletes


@pytest.mark.parametrize("event", ["ref-updated", "[ref-updated]"])
def test_a_ref_filter(event: str) -> None:
    (found,) = filters(f"{{gerrit: [{{event: {event}, ref: ^refs/tags/, ignore-deletes: false}}]}}")
    assert [each.pattern for each in found.refs] == ["^refs/tags/"]
    assert not found.ignore_deletes


def test_a_single_mapping_is_a_list_of_one() -> None:
    assert filters("{gerrit: {event: change-merged}}") == filters(
        "{gerrit: [{event: change-merged}]}"
    )


def test_the_last_value_of_a_label_counts() -> None:
    (found,) = filters("{gerrit: [{event: comment-added, approval: [{a: 1}, {A: 2}]}]}")
    assert found.approvals == {"a": 2}


def test_old_spellings_count_where_the_new_ones_are_absent() -> None:
    trigger = (
        "{gerrit: [{event: comment-added, comment_filter: c, email_filter: e, username_filter: u},"
        " {event: comment-added, comment: new, comment_filter: old}]}"
    )
    first, second = filters(trigger)
    assert [each.pattern for each in (*first.comments, *first.emails, *first.usernames)] == [
        "c",
        "e",
        "u",
    ]
    assert [each.pattern for each in second.comments] == ["new"]
    assert (
        "is the old spelling of comment" in warnings_of(pipelines=entry(f"trigger: {trigger}"))[0]
    )


def test_the_bare_list_of_zuul_1_3() -> None:
    (found,) = filters("[{event: comment-added, comment_filter: recheck}]")
    assert (found.trigger, found.types) == ("gerrit", {"comment-added"})
    (found,) = filters("[{event: patchset-created}]", "source: review")
    assert found.trigger == "review"
    (found,) = filters("{event: patchset-created}")
    assert found.trigger == "gerrit"


def test_several_kinds_of_trigger() -> None:
    found = filters(
        "{gerrit: [{event: patchset-created}], timer: [{time: '0 6 * * *'}],"
        " zuul: [{event: parent-change-enqueued, pipeline: [gate]}]}"
    )
    assert [each.trigger for each in found] == ["gerrit", "timer", "zuul"]
    assert found[1].timespec == "0 6 * * *"
    assert found[1].types == {"timer"}
    assert [each.pattern for each in found[2].pipelines] == ["gate"]


def test_both_events_of_the_zuul_trigger_in_one_filter() -> None:
    (found,) = filters("{zuul: {event: [project-change-merged, parent-change-enqueued]}}")
    assert found.types == {"project-change-merged", "parent-change-enqueued"}


@pytest.mark.parametrize("time", ["0 6 1 1 *", "* * * * * */1", "0 6 * jan mon"])
def test_timer_expressions(time: str) -> None:
    assert filters(f"{{timer: [{{time: '{time}'}}]}}")[0].timespec == time
    assert warnings_of(pipelines=entry(f"trigger: {{timer: [{{time: '{time}'}}]}}")) == []


def test_a_timer_expression_of_another_length_loads_with_a_warning() -> None:
    (warning,) = warnings_of(pipelines=entry("trigger: {timer: [{time: '* * *'}]}"))
    assert "is ignored: expected five or six fields, not '* * *'" in warning
    assert filters("{timer: [{time: '* * *'}]}")[0].timespec is None


def test_jitter_of_a_timer() -> None:
    assert filters("{timer: {time: '0 6 * * *', jitter: 600}}")[0].jitter == 600


def test_a_pipeline_on_project_change_merged_is_warned_of() -> None:
    (warning,) = warnings_of(
        pipelines=entry("trigger: {zuul: [{event: project-change-merged, pipeline: gate}]}")
    )
    assert "has no effect: it is for parent-change-enqueued" in warning


def test_a_branch_filter_on_ref_updated_is_warned_of() -> None:
    (warning,) = warnings_of(
        pipelines=entry("trigger: {gerrit: [{event: ref-updated, branch: master}]}")
    )
    assert "never matches" in warning


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        ("{nosuch: [{event: patchset-created}]}", "nosuch: there is no connection 'nosuch'"),
        ("{smtp: [{event: patchset-created}]}", "smtp: a connection of the driver smtp cannot"),
        ("{gerrit: [{event: nosuch}]}", "gerrit[0].event: expected one of change-abandoned,"),
        ("{gerrit: [{event: []}]}", "gerrit[0].event: names no event"),
        ("{gerrit: [{event: [patchset-created, 1]}]}", "gerrit[0].event[1]: expected text"),
        ("{gerrit: [{branch: x}]}", "gerrit[0].event: is required"),
        ("{gerrit: [patchset-created]}", "gerrit[0]: expected a map with the event, not text"),
        ("{gerrit: }", "gerrit: has no value; expected a map with the event"),
        ("{gerrit: [{event: patchset-created, ref: x}]}", "gerrit[0].ref: is for the event ref-"),
        ("{gerrit: [{event: [ref-updated, change-merged], ref: x}]}", "gerrit[0].ref: is for"),
        ("{gerrit: [{event: patchset-created, brnch: x}]}", "gerrit[0].brnch: is not a known key"),
        ("{gerrit: [{event: patchset-created, branch: '*'}]}", "branch: is not a regular"),
        ("{gerrit: [{event: comment-added, approval: [{a: [1]}]}]}", "expected a whole number"),
        ("{gerrit: [{event: ref-updated, ignore-deletes: 1}]}", "expected true or false"),
        ("{timer: [{}]}", "timer[0].time: is required"),
        ("{timer: [{time: '99 * * * *'}]}", "timer[0].time: minute: expected 0 to 59: '99'"),
        ("{timer: [{time: '* * * * *', jitter: 90000}]}", "timer[0].jitter: expected"),
        ("{timer: [{time: '* * * * *', zone: x}]}", "timer[0].zone: is not a known key"),
        ("{zuul: [{event: patchset-created}]}", "zuul[0].event: expected one of parent-change-"),
        ("{zuul: [{event: project-change-merged, branch: x}]}", "zuul[0].branch: is not a known"),
    ],
)
def test_142_mistakes(trigger: str, told: str) -> None:
    (problem,) = complaints(trigger)
    assert problem.startswith(told) or told in problem


def test_without_known_connections_any_name_will_do() -> None:
    keys = "trigger: {any: [{event: change-merged}]}\nsuccess: {other: {}}"
    found = parse_layout(file(pipelines=entry(keys)), "layout.yaml").pipelines[0]
    assert found.filters[0].trigger == "any"
