"""What can stand in a queue: a review's patch set, a moved ref, or nothing (a timer's tick).

All are frozen and hold plain values, so that they may cross threads. Relations are keys, never
objects: the change table of the core resolves them, and sees news of a change at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class ChangeKey:
    """Identity of a change: one patch set of one review on one server."""

    connection: str
    number: str
    patchset: str

    def __str__(self) -> str:
        return f"{self.number},{self.patchset}"


@dataclass(frozen=True, slots=True, order=True)
class RefKey:
    """Identity of a ref item."""

    connection: str
    project: str
    ref: str
    newrev: str

    def __str__(self) -> str:
        return self.newrev


@dataclass(frozen=True, slots=True, order=True)
class NullKey:
    """Identity of a null item: hence at most one live one per project and pipeline."""

    connection: str
    project: str

    def __str__(self) -> str:
        return ""


Key = ChangeKey | RefKey | NullKey


def normalize_label(name: str) -> str:
    """The form in which labels are compared: `Code Review` and `code-review` are one label."""
    return name.lower().replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Approval:
    """One vote on the current patch set, or in an event."""

    #: normalized by `normalize_label` from Gerrit's description (its type where it has none)
    label: str
    value: int
    username: str | None = None
    email: str | None = None
    #: epoch seconds, 0.0 where the server does not say
    granted_at: float = 0.0


@dataclass(frozen=True, slots=True)
class SubmitLabel:
    """What a submit record says of one label; `name` as Gerrit spells it."""

    name: str
    #: OK, MAY, NEED, REJECT, IMPOSSIBLE
    status: str


@dataclass(frozen=True, slots=True)
class SubmitRecord:
    """One rule's opinion on whether the change may be submitted (every Gerrit has these)."""

    #: OK, NOT_READY, CLOSED, RULE_ERROR
    status: str
    labels: tuple[SubmitLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitRequirement:
    """One condition of a Gerrit 3.5 or newer, told over REST alone."""

    name: str
    satisfied: bool
    #: labels that its unmet expression names, as Gerrit spells them
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """One patch set of a review, as of the last look at the server."""

    key: ChangeKey
    project: str
    branch: str
    #: refs/changes/NN/NUMBER/PATCHSET
    refspec: str
    #: the Change-Id footer, I + 40 hex
    change_id: str = ""
    #: sha of this patch set's commit; None where the server did not say
    revision: str | None = None
    url: str | None = None
    status: str = "NEW"
    is_open: bool = True
    is_current_patchset: bool = True
    #: Gerrit's account object, shown in status.json
    owner: Mapping[str, Any] = field(default_factory=dict)
    commit_message: str = ""
    #: touched files; None where unknown
    files: tuple[str, ...] | None = None
    #: unmerged changes that must merge before this one: the git parent first, then Depends-On
    #: targets in footer order
    needs: tuple[ChangeKey, ...] = ()
    #: open, current changes that need this one
    needed_by: tuple[ChangeKey, ...] = ()
    #: votes on the *current* patch set
    approvals: tuple[Approval, ...] = ()
    submit_records: tuple[SubmitRecord, ...] = ()
    #: None: the server tells no submit requirements, the records decide
    submit_requirements: tuple[SubmitRequirement, ...] | None = None

    @property
    def is_merged(self) -> bool:
        return self.status == "MERGED"

    def can_merge(self, allow_needs: frozenset[str]) -> bool:
        """Whether the server would take a submit once we have voted.

        `allow_needs`: normalized labels that the pipeline's own success report sets; a condition
        that lacks only these is met. Contract zuul.md 7.6.
        """
        if not self.submit_records or not all(
            _record_allows(record, allow_needs) for record in self.submit_records
        ):
            return False
        return all(
            requirement.satisfied
            or (
                bool(requirement.labels)
                and all(normalize_label(label) in allow_needs for label in requirement.labels)
            )
            for requirement in self.submit_requirements or ()
        )


def _record_allows(record: SubmitRecord, allow_needs: frozenset[str]) -> bool:
    if record.status == "OK":
        return True
    if record.status != "NOT_READY":
        return False
    return all(
        label.status in ("OK", "MAY")
        or (label.status in ("NEED", "REJECT") and normalize_label(label.name) in allow_needs)
        for label in record.labels
    )


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag that moved; forty zeros stand for "did not exist"."""

    key: RefKey
    oldrev: str
    url: str | None = None

    @property
    def project(self) -> str:
        return self.key.project

    @property
    def ref(self) -> str:
        return self.key.ref

    @property
    def newrev(self) -> str:
        return self.key.newrev


@dataclass(frozen=True, slots=True)
class NullChange:
    """Nothing but a project: what a timer's tick tests."""

    key: NullKey

    @property
    def project(self) -> str:
        return self.key.project


Changeish = Change | Ref | NullChange
