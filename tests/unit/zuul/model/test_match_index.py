"""Which events are worth a query."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.patterns import Pattern
from zuul.model.interest import InterestIndex
from zuul.model.layout import Layout, Manager, PipelineConfig
from zuul.model.matching import ApprovalMatcher, ApprovalRules, EventFilter
from zuul.model.trigger import Account, TriggerEvent

TYPES = ("patchset-created", "comment-added")
FILTERS = st.builds(
    EventFilter,
    trigger=st.sampled_from(["gerrit", "other"]),
    types=st.sets(st.sampled_from(TYPES), min_size=1).map(frozenset),
    branches=st.sampled_from([(), (Pattern("master"),)]),
    comments=st.sampled_from([(), (Pattern("recheck"),)]),
    usernames=st.sampled_from([(), (Pattern("^jenkins$"),)]),
    change_approvals=st.sampled_from(
        [ApprovalRules(), ApprovalRules(require=(ApprovalMatcher(Pattern("x")),))]
    ),
)
EVENTS = st.builds(
    TriggerEvent,
    connection=st.sampled_from(["gerrit", "other", "third"]),
    type=st.sampled_from([*TYPES, "change-merged"]),
    branch=st.sampled_from([None, "master", "stable"]),
    comment=st.sampled_from([None, "recheck", "thanks"]),
    account=st.sampled_from([None, Account("jenkins"), Account("someone")]),
)


def layout_of(*filters: EventFilter) -> Layout:
    return Layout(
        tuple(
            PipelineConfig(f"p{at}", Manager.INDEPENDENT, filters=(each,))
            for at, each in enumerate(filters)
        )
    )


@given(st.lists(FILTERS, max_size=6), EVENTS)
def test_wants_what_a_filter_wants(filters: list[EventFilter], event: TriggerEvent) -> None:
    index = InterestIndex(layout_of(*filters))
    assert index.wants(event) == any(each.wants(event) for each in filters)


def test_an_event_for_one_pipeline_is_always_wanted() -> None:
    event = TriggerEvent("timer", "timer", forced_pipeline="periodic")
    assert InterestIndex(layout_of()).wants(event)
