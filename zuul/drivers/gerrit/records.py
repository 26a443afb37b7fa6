"""One row of `gerrit query` -> Row -> Change; REST answers -> submit requirements. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zuul.drivers.gerrit.fields import (
    FieldError,
    Json,
    find_integer,
    find_object,
    find_rows,
    find_text,
    parse_account,
    parse_approval,
    read_id,
    read_object,
    read_text,
)
from zuul.errors import ChangeNotFound, DriverError
from zuul.model.change import (
    Approval,
    Change,
    ChangeKey,
    SubmitLabel,
    SubmitRecord,
    SubmitRequirement,
)
from zuul.model.trigger import Account

#: (number, patchset)
PatchSetId = tuple[str, str]

_DEPENDS_ON = re.compile(r"^Depends-On: (I[0-9a-f]{40})[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_LABEL_ATOM = re.compile(r'label:"?([A-Za-z0-9][A-Za-z0-9 _-]*)')
_NEGATED_LABEL = re.compile(r'(?:-|NOT )label:"?([A-Za-z0-9][A-Za-z0-9 _-]*)')
_OPEN = frozenset({"NEW", "DRAFT", "SUBMITTED"})
_MET = frozenset({"SATISFIED", "OVERRIDDEN", "NOT_APPLICABLE", "FORCED"})


@dataclass(frozen=True, slots=True)
class PatchSet:
    """One upload of a change."""

    number: str
    ref: str
    revision: str | None
    files: tuple[str, ...] | None
    uploader: Account | None
    #: epoch seconds by the server's clock, 0.0 where it does not say
    created_at: float
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """One entry of the change's log."""

    author: Account
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Row:
    """A change as the server told it; no look-up is needed to read it."""

    number: str
    project: str
    branch: str
    change_id: str
    url: str | None
    status: str
    is_open: bool
    owner: Mapping[str, Any]
    message: str
    patchsets: Mapping[str, PatchSet]
    current: str
    approvals: tuple[Approval, ...]
    #: the patch set this one is built on, if a review made it
    parent: PatchSetId | None
    needed_by: tuple[PatchSetId, ...]
    submit_records: tuple[SubmitRecord, ...]
    comments: tuple[Comment, ...] = ()
    updated_at: float = 0.0
    #: of servers before 2.9: where the next page begins
    sort_key: str | None = None
    requirements: tuple[SubmitRequirement, ...] | None = None

    @property
    def depends_on(self) -> tuple[str, ...]:
        return find_depends_on(self.message)

    def with_requirements(self, requirements: tuple[SubmitRequirement, ...] | None) -> Row:
        return replace(self, requirements=requirements)

    def change(
        self,
        connection: str,
        patchset: str,
        needs: Iterable[ChangeKey] = (),
        needed_by: Iterable[ChangeKey] = (),
    ) -> Change:
        """One patch set as a Change. Raises ChangeNotFound if the server did not list it."""
        row = self.patchsets.get(patchset)
        if row is None:
            raise ChangeNotFound(
                f"change {self.number} has no patch set {patchset}", connection=connection
            )
        return Change(
            key=ChangeKey(connection, self.number, patchset),
            project=self.project,
            branch=self.branch,
            refspec=row.ref,
            change_id=self.change_id,
            revision=row.revision,
            url=self.url,
            status=self.status,
            is_open=self.is_open,
            is_current_patchset=patchset == self.current,
            owner=self.owner,
            commit_message=self.message,
            files=row.files,
            needs=tuple(needs),
            needed_by=tuple(needed_by),
            approvals=self.approvals,
            submit_records=self.submit_records,
            submit_requirements=self.requirements,
        )


def find_depends_on(message: str) -> tuple[str, ...]:
    """Change-Ids of the footers in order, each once."""
    found = (f"I{match[1:].lower()}" for match in _DEPENDS_ON.findall(message))
    return tuple(dict.fromkeys(found))


def parse_row(data: Json, connection: str = "") -> Row:
    """Raises ChangeNotFound for a row that is no change, DriverError naming a bad field."""
    if not data.get("project"):
        raise ChangeNotFound("the row names no project", connection=connection)
    try:
        return _parse(data)
    except FieldError as error:
        number = str(data.get("number", "?"))[:80]
        raise DriverError(f"query row of change {number}: {error}", connection=connection) from None


def _parse(data: Json) -> Row:
    current = read_object(data, "currentPatchSet")
    current_number = read_id(current, "number", "currentPatchSet.")
    patchsets = _parse_patchsets(data, current)
    status = read_text(data, "status")
    is_open = data.get("open")
    return Row(
        number=read_id(data, "number"),
        project=read_text(data, "project"),
        branch=read_text(data, "branch"),
        change_id=find_text(data, "id") or "",
        url=find_text(data, "url"),
        status=status,
        is_open=is_open if isinstance(is_open, bool) else status in _OPEN,
        owner=dict(find_object(data, "owner")),
        message=find_text(data, "commitMessage") or "",
        patchsets=patchsets,
        current=max(patchsets, key=int, default=current_number),
        approvals=_parse_approvals(current, "currentPatchSet."),
        parent=_parse_parent(data),
        needed_by=tuple(
            parse_patchset_ref(read_text(row, "ref", "neededBy[]."))
            for row in find_rows(data, "neededBy")
            if row.get("isCurrentPatchSet") is not False
        ),
        submit_records=tuple(map(_parse_record, find_rows(data, "submitRecords"))),
        comments=tuple(map(_parse_comment, find_rows(data, "comments"))),
        updated_at=float(find_integer(data, "lastUpdated") or 0),
        sort_key=find_text(data, "sortKey"),
    )


def _parse_patchsets(data: Json, current: Json) -> dict[str, PatchSet]:
    rows = [_parse_patchset(row, "patchSets[].") for row in find_rows(data, "patchSets")]
    found = {row.number: row for row in rows}
    newest = _parse_patchset(current, "currentPatchSet.")
    if newest.number not in found or found[newest.number].files is None:
        found[newest.number] = newest
    return found


def _parse_patchset(row: Json, where: str) -> PatchSet:
    files = find_rows(row, "files", where) if "files" in row else None
    uploader = find_object(row, "uploader", where)
    return PatchSet(
        number=read_id(row, "number", where),
        ref=read_text(row, "ref", where),
        revision=find_text(row, "revision", where),
        files=files
        if files is None
        else tuple(read_text(entry, "file", f"{where}files[].") for entry in files),
        uploader=parse_account(uploader, f"{where}uploader.") if uploader else None,
        created_at=float(find_integer(row, "createdOn", where) or 0),
        approvals=_parse_approvals(row, where),
    )


def _parse_approvals(row: Json, where: str) -> tuple[Approval, ...]:
    where = f"{where}approvals[]."
    return tuple(parse_approval(entry, where) for entry in find_rows(row, "approvals"))


def _parse_parent(data: Json) -> PatchSetId | None:
    rows = find_rows(data, "dependsOn")
    return parse_patchset_ref(read_text(rows[0], "ref", "dependsOn[].")) if rows else None


def parse_patchset_ref(ref: str) -> PatchSetId:
    """(number, patchset) of refs/changes/NN/NUMBER/PATCHSET. Raises FieldError."""
    parts = ref.split("/")
    if len(parts) != 5 or not (parts[3].isdecimal() and parts[4].isdecimal()):
        raise FieldError(f"ref: is {ref[:80]!r}, expected refs/changes/NN/NUMBER/PATCHSET")
    return parts[3], parts[4]


def _parse_record(row: Json) -> SubmitRecord:
    labels = tuple(
        SubmitLabel(
            read_text(label, "label", "submitRecords[].labels[]."),
            read_text(label, "status", "submitRecords[].labels[]."),
        )
        for label in find_rows(row, "labels", "submitRecords[].")
    )
    return SubmitRecord(read_text(row, "status", "submitRecords[]."), labels)


def _parse_comment(row: Json) -> Comment:
    return Comment(
        parse_account(find_object(row, "reviewer", "comments[]."), "comments[].reviewer."),
        find_text(row, "message", "comments[].") or "",
        float(find_integer(row, "timestamp", "comments[].") or 0),
    )


def parse_requirements(info: Json) -> tuple[SubmitRequirement, ...] | None:
    """Of a REST ChangeInfo; None if the server tells none. Raises FieldError."""
    if "submit_requirements" not in info:
        return None
    return tuple(map(_parse_requirement, find_rows(info, "submit_requirements")))


def _parse_requirement(row: Json) -> SubmitRequirement:
    where = "submit_requirements[]."
    satisfied = read_text(row, "status", where) in _MET
    result = find_object(row, "submittability_expression_result", where)
    return SubmitRequirement(
        read_text(row, "name", where),
        satisfied,
        frozenset() if satisfied else _find_missing_labels(result, where),
    )


def _find_missing_labels(result: Json, where: str) -> frozenset[str]:
    """Labels whose votes alone would meet the expression; empty if votes alone cannot.

    An atom that fails lacks a vote; one that holds but is negated has a vote too many.
    """
    expression = find_text(result, "expression", where) or ""
    failing, passing = result.get("failing_atoms"), result.get("passing_atoms")
    if not isinstance(failing, list):
        return frozenset(label.strip() for label in _LABEL_ATOM.findall(expression))
    negated = {label.strip() for label in _NEGATED_LABEL.findall(expression)}
    labels = set()
    for atom in map(str, failing):
        match = _LABEL_ATOM.match(atom)
        if match:
            labels.add(match[1].strip())
        elif " OR " not in expression:
            return frozenset()
    for atom in map(str, passing if isinstance(passing, list) else ()):
        match = _LABEL_ATOM.match(atom)
        if match and match[1].strip() in negated:
            labels.add(match[1].strip())
    return frozenset(labels)
