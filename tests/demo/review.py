"""What the demo's people see and say in Gerrit, over SSH as any account would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from tests.sandbox.developer import Developer
from tests.sandbox.endpoint import GerritEndpoint

#: a report's line on a build of the sandbox's worker, whose output is a file
_FAILED_BUILD = re.compile(r"^- (http://127\.0\.0\.1:\S+) : FAILURE", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Review:
    """A change as Gerrit has it."""

    number: int
    status: str
    #: "Verified -2 by zuul", newest patch set
    votes: tuple[str, ...]
    #: the gate's comments, oldest first
    comments: tuple[str, ...]


def read_review(endpoint: GerritEndpoint, number: int) -> Review:
    """Look one change up; raises LookupError if Gerrit does not know it."""
    command = (
        f"gerrit query --format json --current-patch-set --all-approvals --comments change:{number}"
    )
    rows = endpoint.ssh("zuul", command).rows()
    if not rows or "number" not in rows[0]:
        raise LookupError(f"Gerrit knows no change {number}")
    row = rows[0]
    return Review(
        int(row["number"]), row["status"], tuple(_votes(row)), tuple(_comments(row, "zuul"))
    )


def explain_rejection(review: Review, login: tuple[str, str]) -> str:
    """What the gate said last, each failed build with the last line that it printed.

    `login`: name and token for the masters that ran the builds.
    """
    said = review.comments[-1] if review.comments else "nothing was said"
    told = [said.strip()]
    for url in _FAILED_BUILD.findall(said):
        console = requests.get(f"{url}consoleText", auth=login, timeout=10)
        lines = [line.strip() for line in console.text.splitlines() if line.strip()]
        words = [line for line in lines if not line.startswith("Finished: ")]
        told += [f"The build's last words: {words[-1]}"] if words else []
    return "\n\n".join(told)


def found_project(founder: Developer, project: str, files: Mapping[str, str]) -> None:
    """Push the files with which a project begins, past review."""
    tree = founder.start(project)
    founder.commit(project, "Begin", files)
    founder.git(tree, "push", "-q", "origin", "HEAD:refs/heads/master")


def approve(endpoint: GerritEndpoint, user: str, number: int) -> None:
    """Give the reviewer's and the approver's vote at once."""
    command = f"gerrit review --label Code-Review=2 --label Workflow=1 {number},1"
    said = endpoint.ssh(user, command)
    if said.exit_code:
        raise RuntimeError(f"Gerrit refused the approval of {number}: {said.stderr}")


def _votes(row: dict[str, Any]) -> list[str]:
    approvals = row["currentPatchSet"].get("approvals", [])
    return [
        f"{vote['type']} {int(vote['value']):+d} by {vote['by']['username']}"
        for vote in approvals
        if vote["type"] != "SUBM"
    ]


def _comments(row: dict[str, Any], username: str) -> list[str]:
    return [
        comment["message"]
        for comment in row.get("comments", [])
        if comment["reviewer"].get("username") == username
    ]
