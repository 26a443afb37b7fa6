"""Which events and changes a pipeline wants: contract zuul.md 2.3 to 2.5.

A filter is an AND of its fields, and within a field the entries are OR-ed unless said otherwise.
Patterns arrive compiled (zuul.lib.patterns), bounded in time: a comment's author controls the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from zuul.model.change import Approval, Change, Changeish
from zuul.model.trigger import PARENT_CHANGE_ENQUEUED, TriggerEvent

ZERO_REVISION = "0" * 40


class TextPattern(Protocol):
    """A regular expression as written in the layout."""

    @property
    def pattern(self) -> str: ...

    def match(self, text: str) -> bool:
        """Whether it matches at the start of `text`; False if it ran out of its time box."""
        ...

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in `text`; False if it ran out of its time box."""
        ...


@dataclass(frozen=True, slots=True)
class ApprovalMatcher:
    """One entry of require-/reject-approval: all its fields hold for one and the same approval."""

    username: TextPattern | None = None
    email: TextPattern | None = None
    #: seconds
    newer_than: float | None = None
    older_than: float | None = None
    #: normalized label -> accepted values
    labels: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def matches(self, approval: Approval, now: float) -> bool:
        if self.username and not self.username.search(approval.username or ""):
            return False
        if self.email and not self.email.search(approval.email or ""):
            return False
        if self.newer_than is not None and approval.granted_at < now - self.newer_than:
            return False
        if self.older_than is not None and approval.granted_at >= now - self.older_than:
            return False
        return all(
            approval.label == label and approval.value in values
            for label, values in self.labels.items()
        )


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """require and reject lists; both are about the approvals of the current patch set."""

    require: tuple[ApprovalMatcher, ...] = ()
    reject: tuple[ApprovalMatcher, ...] = ()

    def allow(self, change: Changeish, now: float) -> bool:
        """Compat: with any rule, a change without approvals does not pass (scenario 119)."""
        if not self.require and not self.reject:
            return True
        approvals = change.approvals if isinstance(change, Change) else ()
        if not approvals:
            return False
        return all(
            any(rule.matches(a, now) for a in approvals) for rule in self.require
        ) and not any(rule.matches(a, now) for rule in self.reject for a in approvals)


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """A pipeline's `require` and `reject`."""

    open: bool | None = None
    current_patchset: bool | None = None
    statuses: frozenset[str] = frozenset()
    approvals: ApprovalRules = ApprovalRules()

    def matches(self, change: Changeish, now: float) -> bool:
        """A ref or null item meets no requirement on reviews, and passes if there is none."""
        if not isinstance(change, Change):
            return self == ChangeFilter()
        if self.open is not None and self.open != change.is_open:
            return False
        if (
            self.current_patchset is not None
            and self.current_patchset != change.is_current_patchset
        ):
            return False
        if self.statuses and change.status not in self.statuses:
            return False
        return self.approvals.allow(change, now)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """One entry of a pipeline's `trigger`."""

    #: connection name, `timer` or `zuul`
    trigger: str
    types: frozenset[str]
    branches: tuple[TextPattern, ...] = ()
    refs: tuple[TextPattern, ...] = ()
    comments: tuple[TextPattern, ...] = ()
    emails: tuple[TextPattern, ...] = ()
    usernames: tuple[TextPattern, ...] = ()
    #: AND-ed: normalized label -> value that this very event voted
    approvals: Mapping[str, int] = field(default_factory=dict)
    ignore_deletes: bool = True
    #: of parent-change-enqueued alone: where the parent was enqueued
    pipelines: tuple[TextPattern, ...] = ()
    change_approvals: ApprovalRules = ApprovalRules()
    #: of a timer: when it goes off, in cron's words as zuul.lib.cron reads them; None: never
    timespec: str | None = None
    #: of a timer, seconds: the projects' turns are spread over so long
    jitter: int = 0

    def wants(self, event: TriggerEvent) -> bool:
        """Whether the event alone, the change not yet looked up, can match."""
        if event.connection != self.trigger or event.type not in self.types:
            return False
        if (
            self.pipelines
            and event.type == PARENT_CHANGE_ENQUEUED
            and not _any(self.pipelines, "match", event.pipeline)
        ):
            return False
        if self.branches and not _any(self.branches, "match", event.branch):
            return False
        if self.refs and not _any(self.refs, "match", event.ref):
            return False
        if self.ignore_deletes and event.newrev == ZERO_REVISION:
            return False
        if any(
            not any(vote.label == label and vote.value == value for vote in event.approvals)
            for label, value in self.approvals.items()
        ):
            return False
        account = event.account
        if self.emails and not _any(self.emails, "search", account.email if account else None):
            return False
        if self.usernames and not _any(
            self.usernames, "search", account.username if account else None
        ):
            return False
        return not self.comments or _any(self.comments, "search", event.comment)

    def matches(self, event: TriggerEvent, change: Changeish, now: float) -> bool:
        return self.wants(event) and self.change_approvals.allow(change, now)


def _any(patterns: tuple[TextPattern, ...], how: str, text: str | None) -> bool:
    """An absent text matches nothing: a filter on accounts must not pass without an account."""
    if text is None:
        return False
    for pattern in patterns:
        test: Callable[[str], bool] = getattr(pattern, how)
        if test(text):
            return True
    return False
