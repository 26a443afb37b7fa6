"""Query rows for tests, as a Gerrit 3.9 sends them."""

from __future__ import annotations

from typing import Any

from zuul.drivers.gerrit.records import Row, parse_row


def change_id(number: int) -> str:
    return f"I{number:040x}"


def make_data(number: int, /, **changes: Any) -> dict[str, Any]:
    """A row's JSON with one patch set; `changes` replace its keys, None removes one."""
    patchset = make_patchset(number, 1)
    data: dict[str, Any] = {
        "project": "org/demo",
        "branch": "master",
        "id": change_id(number),
        "number": number,
        "url": f"http://gerrit/c/{number}",
        "owner": {"name": "Dana", "username": "dev"},
        "commitMessage": f"Add {number}\n\nChange-Id: {change_id(number)}\n",
        "lastUpdated": 1000,
        "open": True,
        "status": "NEW",
        "currentPatchSet": patchset,
        "patchSets": [patchset],
        "submitRecords": [
            {
                "status": "NOT_READY",
                "labels": [
                    {"label": "Code-Review", "status": "OK"},
                    {"label": "Verified", "status": "NEED"},
                ],
            }
        ],
    }
    data |= changes
    return {key: value for key, value in data.items() if value is not None}


def make_patchset(number: int, patchset: int, /, **changes: Any) -> dict[str, Any]:
    return {
        "number": patchset,
        "revision": f"{number:020x}{patchset:020x}",
        "ref": f"refs/changes/{number % 100:02d}/{number}/{patchset}",
        "uploader": {"username": "dev"},
        "createdOn": 900,
        "files": [{"file": "/COMMIT_MSG"}, {"file": "a"}],
        "approvals": [
            {
                "type": "Code-Review",
                "description": "Code-Review",
                "value": "2",
                "grantedOn": 950,
                "by": {"username": "core", "email": "core@example.org"},
            }
        ],
    } | changes


def make_row(number: int, *, depends_on: tuple[int, ...] = (), **changes: Any) -> Row:
    """A row whose message names the Change-Ids of `depends_on`."""
    footers = "".join(f"Depends-On: {change_id(other)}\n" for other in depends_on)
    message = f"Add {number}\n\n{footers}Change-Id: {change_id(number)}\n"
    return parse_row(make_data(number, **({"commitMessage": message} | changes)), "gerrit")
