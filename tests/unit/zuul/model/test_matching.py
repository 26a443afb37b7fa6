"""Event filters and requirements: contract zuul.md 2.3 to 2.5, scenarios 111 to 120."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zuul.lib.patterns import Pattern
from zuul.model.change import Approval, Change, ChangeKey, NullChange, NullKey, Ref, RefKey
from zuul.model.matching import ApprovalMatcher, ApprovalRules, ChangeFilter, EventFilter
from zuul.model.trigger import Account, TriggerEvent

NOW = 1_000_000.0
HOUR = 3600.0
CHANGE = Change(ChangeKey("gerrit", "1", "2"), "org/p", "master", "refs/changes/01/1/2")
REF = Ref(RefKey("gerrit", "org/p", "master", "b" * 40), "a" * 40)
NOTHING = NullChange(NullKey("gerrit", "org/p"))
EVENT = TriggerEvent(
    "gerrit",
    "comment-added",
    project="org/p",
    branch="master",
    account=Account("jenkins", "jenkins@example.org"),
    comment="Patch Set 2:\n\nrecheck",
    approvals=(Approval("code-review", 2), Approval("verified", 1)),
)


def vote(
    value: int = 1, *, by: str = "jenkins", hours_ago: float = 0, label: str = "verified"
) -> Approval:
    return Approval(label, value, by, f"{by}@example.org", NOW - hours_ago * HOUR)


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern(text) for text in texts)


def allows(matcher: ApprovalMatcher, *votes: Approval) -> bool:
    rules = ApprovalRules(require=(matcher,))
    return rules.allow(replace(CHANGE, approvals=votes), NOW)


def test_111_newer_than() -> None:
    rule = ApprovalMatcher(username=Pattern("jenkins"), newer_than=48 * HOUR)
    assert not allows(rule)
    assert not allows(rule, vote(hours_ago=72))
    assert allows(rule, vote(hours_ago=48))
    assert allows(rule, vote())


def test_112_older_than() -> None:
    rule = ApprovalMatcher(username=Pattern("jenkins"), older_than=48 * HOUR)
    assert not allows(rule)
    assert not allows(rule, vote())
    assert not allows(rule, vote(hours_ago=48))
    assert allows(rule, vote(hours_ago=72))


@pytest.mark.parametrize(
    "rule",
    [
        ApprovalMatcher(username=Pattern("^(jenkins|zuul)$")),
        ApprovalMatcher(email=Pattern("^jenk")),
    ],
)
def test_113_username_and_email(rule: ApprovalMatcher) -> None:
    assert not allows(rule, vote(by="someone"))
    assert not allows(rule, Approval("verified", 1))
    assert allows(rule, vote(by="jenkins"))


def test_114_values() -> None:
    one = ApprovalMatcher(labels={"verified": frozenset({1})})
    assert not allows(one, vote(-1))
    assert allows(one, vote(1))
    jenkins = ApprovalMatcher(username=Pattern("^jenkins$"), labels={"verified": frozenset({1, 2})})
    assert [allows(jenkins, vote(value)) for value in (-2, -1, 1, 2)] == [False, False, True, True]
    assert not allows(jenkins, vote(2, by="other"))
    assert allows(jenkins, vote(2, by="other"), vote(2))


def test_a_matcher_is_about_one_and_the_same_approval() -> None:
    rule = ApprovalMatcher(username=Pattern("jenkins"), labels={"verified": frozenset({1})})
    assert not allows(rule, vote(1, by="other"), vote(2))
    assert not allows(rule, vote(1, label="code-review"))


def test_every_required_matcher_needs_an_approval() -> None:
    rules = ApprovalRules(
        require=(ApprovalMatcher(labels={"a": frozenset({1})}), ApprovalMatcher(Pattern("x")))
    )
    a, x = vote(label="a"), vote(by="x")
    assert not rules.allow(replace(CHANGE, approvals=(a,)), NOW)
    assert not rules.allow(replace(CHANGE, approvals=(x,)), NOW)
    assert rules.allow(replace(CHANGE, approvals=(a, x)), NOW)


def test_115_current_patchset() -> None:
    rule = ChangeFilter(current_patchset=True)
    assert rule.matches(CHANGE, NOW)
    assert not rule.matches(replace(CHANGE, is_current_patchset=False), NOW)


def test_116_open_and_status() -> None:
    merged = replace(CHANGE, is_open=False, status="MERGED")
    assert ChangeFilter(open=True).matches(CHANGE, NOW)
    assert not ChangeFilter(open=True).matches(merged, NOW)
    assert ChangeFilter(open=False).matches(merged, NOW)
    assert ChangeFilter(statuses=frozenset({"NEW"})).matches(CHANGE, NOW)
    assert not ChangeFilter(statuses=frozenset({"NEW"})).matches(merged, NOW)


def test_117_reject() -> None:
    rules = ApprovalRules(reject=(ApprovalMatcher(username=Pattern("jenkins")),))
    assert rules.allow(replace(CHANGE, approvals=(vote(by="reviewer"),)), NOW)
    assert not rules.allow(replace(CHANGE, approvals=(vote(by="reviewer"), vote(-1))), NOW)


def test_118_require_and_reject() -> None:
    jenkins = Pattern("jenkins")
    rules = ApprovalRules(
        require=(ApprovalMatcher(jenkins, labels={"verified": frozenset({1, 2})}),),
        reject=(ApprovalMatcher(labels={"verified": frozenset({-1, -2})}),),
    )

    def outcome(*votes: Approval) -> bool:
        return rules.allow(replace(CHANGE, approvals=votes), NOW)

    assert not outcome(vote(by="other"))
    assert outcome(vote(by="other"), vote())
    assert not outcome(vote(-1, by="other"), vote())
    assert outcome(vote(1, by="other"), vote(2))


def test_119_a_change_nobody_voted_on_does_not_pass_a_reject_either() -> None:
    rules = ApprovalRules(reject=(ApprovalMatcher(Pattern("jenkins")),))
    assert not rules.allow(CHANGE, NOW)
    assert ApprovalRules().allow(CHANGE, NOW)


def test_refs_and_null_items_pass_where_nothing_is_required() -> None:
    for item in (REF, NOTHING):
        assert ChangeFilter().matches(item, NOW)
        assert not ChangeFilter(open=True).matches(item, NOW)
        assert not ApprovalRules(require=(ApprovalMatcher(),)).allow(item, NOW)


COMMENTS = EventFilter("gerrit", frozenset({"comment-added", "patchset-created"}))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"trigger": "other"}, False),
        ({"types": frozenset({"change-merged"})}, False),
        ({"branches": patterns("stable", "mas")}, True),
        ({"branches": patterns("aster")}, False),
        ({"refs": patterns(".*")}, False),
        ({"comments": patterns("recheck")}, True),
        ({"comments": patterns("^recheck", "reverify")}, False),
        ({"emails": patterns("@example.org")}, True),
        ({"emails": patterns("@example.com")}, False),
        ({"usernames": patterns("^jenkins$")}, True),
        ({"usernames": patterns("^zuul$")}, False),
        ({"approvals": {"verified": 1, "code-review": 2}}, True),
        ({"approvals": {"verified": 1, "code-review": 1}}, False),
        ({"approvals": {"workflow": 1}}, False),
    ],
)
def test_a_filter_is_an_and_of_its_keys(changes: dict[str, object], wanted: bool) -> None:
    assert replace(COMMENTS, **changes).wants(EVENT) is wanted  # type: ignore[arg-type]


def test_120_an_event_without_account_matches_no_filter_on_accounts() -> None:
    for each in (
        replace(COMMENTS, usernames=patterns(".")),
        replace(COMMENTS, emails=patterns(".")),
    ):
        assert each.wants(EVENT)
        assert not each.wants(replace(EVENT, account=None))
        assert not each.wants(replace(EVENT, account=Account()))


def test_72_ref_updated() -> None:
    each = EventFilter("gerrit", frozenset({"ref-updated"}), refs=patterns("^(?!refs/).*$"))
    event = TriggerEvent("gerrit", "ref-updated", ref="master", newrev="b" * 40)
    deleted = replace(event, newrev="0" * 40)
    assert each.wants(event)
    assert not each.wants(replace(event, ref="refs/tags/1"))
    assert not each.wants(deleted)
    assert replace(each, ignore_deletes=False).wants(deleted)


def test_a_filter_on_branches_matches_no_ref_and_loses_no_event() -> None:
    each = EventFilter("gerrit", frozenset({"ref-updated"}), branches=patterns(".*"))
    assert not each.wants(TriggerEvent("gerrit", "ref-updated", ref="master", newrev="b" * 40))


def test_121_parent_change_enqueued_names_the_parents_pipeline() -> None:
    each = EventFilter("zuul", frozenset({"parent-change-enqueued"}), pipelines=patterns("gate"))
    event = TriggerEvent("zuul", "parent-change-enqueued", pipeline="gate")
    assert each.wants(event)
    assert not each.wants(replace(event, pipeline="check"))
    both = replace(each, types=frozenset({"parent-change-enqueued", "project-change-merged"}))
    assert both.wants(TriggerEvent("zuul", "project-change-merged"))
    assert not both.wants(replace(event, pipeline=None))


def test_a_filter_also_asks_for_the_changes_votes() -> None:
    each = replace(COMMENTS, change_approvals=ApprovalRules((ApprovalMatcher(Pattern("jenkins")),)))
    assert each.wants(EVENT)
    assert not each.matches(EVENT, CHANGE, NOW)
    assert each.matches(EVENT, replace(CHANGE, approvals=(vote(),)), NOW)
