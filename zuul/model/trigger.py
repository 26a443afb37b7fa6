"""What a trigger heard, parsed."""

from __future__ import annotations

from dataclasses import dataclass

from zuul.model.change import Approval, Change, ChangeKey

#: triggers that are built in; they address projects, not a server
TIMER = "timer"
ZUUL = "zuul"
#: what the `zuul` trigger tells of
PROJECT_CHANGE_MERGED = "project-change-merged"
PARENT_CHANGE_ENQUEUED = "parent-change-enqueued"


@dataclass(frozen=True, slots=True)
class Account:
    """Who did it; fields are None where the server does not tell them."""

    username: str | None = None
    email: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """One past-tense fact from a connection, `timer` or `zuul`."""

    #: name of the connection it came from, or TIMER or ZUUL
    connection: str
    #: Gerrit's word (patchset-created, ...), TIMER, or one of the two of ZUUL
    type: str
    project: str | None = None
    branch: str | None = None
    number: str | None = None
    patchset: str | None = None
    #: refs/changes/.. of the patch set
    refspec: str | None = None
    change_url: str | None = None
    account: Account | None = None
    comment: str | None = None
    #: what this very event voted
    approvals: tuple[Approval, ...] = ()
    #: of ref-updated, exactly as the server sent it (after strip_branch_ref)
    ref: str | None = None
    oldrev: str | None = None
    newrev: str | None = None
    #: a timer addresses one pipeline directly
    forced_pipeline: str | None = None
    #: of parent-change-enqueued: the pipeline in which the parent was enqueued
    pipeline: str | None = None
    #: of ZUUL: the connection that knows the change
    source: str | None = None
    #: epoch seconds at which it was heard
    received_at: float = 0.0

    @property
    def change_key(self) -> ChangeKey | None:
        if self.number is None or self.patchset is None:
            return None
        return ChangeKey(self.source or self.connection, self.number, self.patchset)


def own_event(
    kind: str, change: Change, received_at: float, *, pipeline: str | None = None
) -> TriggerEvent:
    """An event of ZUUL about the change."""
    return TriggerEvent(
        ZUUL,
        kind,
        project=change.project,
        branch=change.branch,
        number=change.key.number,
        patchset=change.key.patchset,
        refspec=change.refspec,
        change_url=change.url,
        pipeline=pipeline,
        source=change.key.connection,
        received_at=received_at,
    )
