"""Query rows and REST answers, whole and broken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.zuul.drivers.gerrit.rows import change_id, make_data, make_patchset
from zuul.drivers.gerrit.fields import FieldError
from zuul.drivers.gerrit.records import (
    find_depends_on,
    parse_patchset_ref,
    parse_requirements,
    parse_row,
)
from zuul.errors import ChangeNotFound, DriverError
from zuul.model.change import Approval, ChangeKey, SubmitLabel, SubmitRecord, SubmitRequirement


def test_a_row_becomes_a_change() -> None:
    change = parse_row(make_data(12), "gerrit").change("gerrit", "1")
    assert change.key == ChangeKey("gerrit", "12", "1")
    assert (change.project, change.branch, change.status) == ("org/demo", "master", "NEW")
    assert change.refspec == "refs/changes/12/12/1"
    assert change.change_id == change_id(12)
    assert change.revision == f"{12:020x}{1:020x}"
    assert change.files == ("/COMMIT_MSG", "a")
    assert change.is_open and change.is_current_patchset
    assert change.owner == {"name": "Dana", "username": "dev"}
    assert change.approvals == (Approval("code-review", 2, "core", "core@example.org", 950.0),)
    assert change.submit_records == (
        SubmitRecord("NOT_READY", (SubmitLabel("Code-Review", "OK"),
                                   SubmitLabel("Verified", "NEED"))),
    )  # fmt: skip
    assert change.submit_requirements is None


def test_an_outdated_patch_set_has_its_own_files_and_the_current_votes() -> None:
    old = make_patchset(1, 1, files=[{"file": "old"}], approvals=[])
    new = make_patchset(1, 2)
    row = parse_row(make_data(1, currentPatchSet=new, patchSets=[old, new]))
    change = row.change("gerrit", "1")
    assert not change.is_current_patchset
    assert change.files == ("old",)
    assert [a.value for a in change.approvals] == [2]
    with pytest.raises(ChangeNotFound):
        row.change("gerrit", "3")


def test_texts_of_2013() -> None:
    patchset = make_patchset(1, 1, approvals=[{"type": "VRIF", "value": "1"}]) | {"number": "1"}
    data = make_data(1, number="1", open=None, currentPatchSet=patchset, patchSets=[patchset])
    row = parse_row(data)
    assert row.is_open
    assert row.approvals == (Approval("verified", 1),)


def test_relations() -> None:
    row = parse_row(
        make_data(
            3,
            dependsOn=[{"ref": "refs/changes/01/1/2"}, {"ref": "refs/changes/09/9/9"}],
            neededBy=[
                {"ref": "refs/changes/04/4/1", "isCurrentPatchSet": False},
                {"ref": "refs/changes/04/4/2", "isCurrentPatchSet": True},
                {"ref": "refs/changes/05/5/1"},
            ],
        )
    )
    assert row.parent == ("1", "2")
    assert row.needed_by == (("4", "2"), ("5", "1"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"number": None}, "number: is missing"),
        ({"number": "x"}, "number: is 'x'"),
        ({"branch": None}, "branch: is missing"),
        ({"status": None}, "status: is missing"),
        ({"currentPatchSet": None}, "currentPatchSet: is missing"),
        ({"currentPatchSet": {}}, "currentPatchSet.number: is missing"),
        ({"patchSets": [{"number": 1}]}, "patchSets[].ref: is missing"),
        ({"patchSets": 3}, "patchSets: is '3'"),
        ({"dependsOn": [{"ref": "refs/x"}]}, "ref: is 'refs/x'"),
        ({"submitRecords": [{"labels": []}]}, "submitRecords[].status: is missing"),
        ({"submitRecords": [{"status": "OK", "labels": [{"status": "OK"}]}]}, "label: is missing"),
        ({"comments": [{"timestamp": "then"}]}, "comments[].timestamp: is 'then'"),
    ],
)
def test_a_broken_row_names_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DriverError) as caught:
        parse_row(make_data(1, **changes), "gerrit")
    assert named in str(caught.value)
    assert caught.value.connection == "gerrit"


def test_a_row_without_project_is_no_change() -> None:
    with pytest.raises(ChangeNotFound):
        parse_row({"type": "stats"})


I1, I2 = change_id(1), change_id(2)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (f"Depends-On: {I1}", (I1,)),
        (f"x\n\ndepends-on: {I1}  \t\nDEPENDS-ON: {I2}\n", (I1, I2)),
        (f"Depends-On: {I2}\nDepends-On: {I1}\nDepends-On: {I2}", (I2, I1)),
        (f"Depends-On: {I1.upper()}\r\n", (I1,)),
        (f" Depends-On: {I1}", ()),
        (f"Depends-On:{I1}", ()),
        (f"Depends-On:  {I1}", ()),
        (f"Depends-On: {I1}0", ()),
        (f"Depends-On: {I1} x", ()),
        (f"see Depends-On: {I1}", ()),
        ("Depends-On: I0123", ()),
    ],
)
def test_depends_on_footers(message: str, found: tuple[str, ...]) -> None:
    assert find_depends_on(message) == found


@pytest.mark.parametrize("ref", ["", "refs/heads/a", "refs/changes/1/x/2", "a/b/c/1/2/3"])
def test_a_ref_that_is_no_patch_set(ref: str) -> None:
    with pytest.raises(FieldError):
        parse_patchset_ref(ref)


def requirement(
    status: str, expression: str, failing: list[str] | None, passing: list[str] | None = None
) -> dict[str, Any]:
    result: dict[str, Any] = {"expression": expression}
    if failing is not None:
        result |= {"failing_atoms": failing, "passing_atoms": passing or []}
    return {"name": "R", "status": status, "submittability_expression_result": result}


@pytest.mark.parametrize(
    ("row", "satisfied", "labels"),
    [
        (requirement("SATISFIED", "label:V=MAX", []), True, set()),
        (requirement("OVERRIDDEN", "label:V=MAX", ["label:V=MAX"]), True, set()),
        (requirement("NOT_APPLICABLE", "", None), True, set()),
        (requirement("UNSATISFIED", "label:V=MAX", ["label:V=MAX"]), False, {"V"}),
        (requirement("UNSATISFIED", "label:V=MAX AND -label:V=MIN", None), False, {"V"}),
        # Our own -2 is a vote too many, and the next +2 takes it away.
        (
            requirement("UNSATISFIED", "label:V=MAX AND -label:V=MIN", ["label:V=MAX"],
                        ["label:V=MIN"]),
            False, {"V"},
        ),
        # Code-Review is met, so only Verified is missing.
        (
            requirement("UNSATISFIED", "label:Code-Review=MAX AND label:V=MAX", ["label:V=MAX"],
                        ["label:Code-Review=MAX"]),
            False, {"V"},
        ),
        (
            requirement("UNSATISFIED", "label:V=MAX AND -label:Code-Review=MIN", ["label:V=MAX"],
                        ["label:Code-Review=MIN"]),
            False, {"V", "Code-Review"},
        ),
        # No vote makes unresolved comments go away.
        (
            requirement("UNSATISFIED", "label:V=MAX AND is:resolved",
                        ["label:V=MAX", "is:resolved"]),
            False, set(),
        ),
        (
            requirement("UNSATISFIED", "label:V=MAX OR is:resolved",
                        ["label:V=MAX", "is:resolved"]),
            False, {"V"},
        ),
        (requirement("ERROR", "nonsense", None), False, set()),
    ],
)  # fmt: skip
def test_submit_requirements(row: dict[str, Any], satisfied: bool, labels: set[str]) -> None:
    found = parse_requirements({"submit_requirements": [row]})
    assert found == (SubmitRequirement("R", satisfied, frozenset(labels)),)


def test_a_server_without_submit_requirements() -> None:
    assert parse_requirements({}) is None
