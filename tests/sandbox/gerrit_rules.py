"""May this change be submitted? Submit records, as SSH tells them, and submit requirements."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sandbox.gerrit_model import Account, Change, Label, Status, Store


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """One label's line of a submit record: OK, NEED, REJECT or MAY, and whose vote decided."""

    label: str
    status: str
    by: Account | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One submit requirement and whether the change meets it."""

    name: str
    is_legacy: bool
    satisfied: bool
    has_max: bool
    has_min: bool

    @property
    def expression(self) -> str:
        joint = " " if self.is_legacy else " AND "
        return f"label:{self.name}=MAX{joint}-label:{self.name}=MIN"


class Rules:
    """The rules of one server. `modern`: only legacy labels count in submit records (>= 3.5);
    else every label does (before)."""

    def __init__(self, store: Store, modern: bool) -> None:
        self._store = store
        self._modern = modern

    def label_records(self, change: Change) -> list[LabelRecord]:
        return [self._label_record(change, label) for label in self._store.labels.values()]

    def record_status(self, change: Change) -> str:
        """OK, NOT_READY or (for closed changes, on old servers) CLOSED."""
        if not self._modern and change.status is Status.MERGED:
            return "CLOSED"
        lacking = {r.status for r in self.label_records(change)} & {"NEED", "REJECT"}
        return "NOT_READY" if lacking else "OK"

    def requirements(self, change: Change) -> list[Requirement]:
        """Those made of legacy labels come last, as in Gerrit's own list."""
        labels = sorted(self._store.labels.values(), key=lambda label: label.legacy)
        return [self._requirement(change, label) for label in labels]

    def is_submittable(self, change: Change) -> bool:
        return change.is_open and self.first_unsatisfied(change) is None

    def first_unsatisfied(self, change: Change) -> Requirement | None:
        return next((r for r in self.requirements(change) if not r.satisfied), None)

    def _label_record(self, change: Change, label: Label) -> LabelRecord:
        required = label.legacy or not self._modern
        votes = [a for a in change.current.approvals.values() if a.label == label.name and a.value]
        if required:
            for vote in votes:
                if vote.value == label.lowest:
                    return LabelRecord(label.name, "REJECT", vote.by)
        counted = [v for v in votes if not required or v.value == label.highest]
        by = counted[-1].by if counted else None
        met = "OK" if by is not None else "NEED"
        return LabelRecord(label.name, met if required else "MAY", by)

    def _requirement(self, change: Change, label: Label) -> Requirement:
        approvals = change.current.approvals.values()
        values = {a.value for a in approvals if a.label == label.name}
        has_max, has_min = label.highest in values, label.lowest in values
        return Requirement(label.name, label.legacy, has_max and not has_min, has_max, has_min)
