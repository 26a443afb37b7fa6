"""A layout with every trigger, requirement and reporter, with the daemons and a real Gerrit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.people import Site
from tests.integration.sql_world import Rows
from tests.sandbox.developer import Developer, Upload
from tests.support.mail_server import started_mail_server
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

PIPELINE = """\
  - name: {name}
    manager: IndependentPipelineManager
    success-message: The {name} pipeline is content.
    trigger:
      {trigger}
    success:
      {success}
"""
#: by name: trigger and requirement, and what is told
SIMPLE = {
    "check": (
        "gerrit: [{event: patchset-created}]\n"
        "    require: {open: true, current-patchset: true, status: NEW}",
        "gerrit: {Verified: 1}\n      mail: {to: dev@example.org}\n      database: {score: 1}",
    ),
    "careful": (
        "gerrit: [{event: comment-added, comment: go}]\n"
        "    reject: {approval: [{username: core, Code-Review: [-1, -2]}]}",
        "gerrit: {}",
    ),
    "trusting": (
        "gerrit: [{event: comment-added, comment: go, require-approval:"
        " [{username: ^core$, email: ^core@, Code-Review: [1, 2], newer-than: 1d}]}]",
        "gerrit: {}",
    ),
    "wary": (
        "gerrit: [{event: comment-added, comment: go, reject-approval: [{Code-Review: [-1, -2]}]}]",
        "gerrit: {}",
    ),
    "recheck": (
        "gerrit: [{event: comment-added, comment: '(?i)recheck', username: ^dev$}]",
        "gerrit: {}",
    ),
    "by-mail": (
        "gerrit: [{event: comment-added, comment: please, email: ^core@}]",
        "gerrit: {}",
    ),
    "stable": (
        "gerrit: [{event: [patchset-created, change-restored], branch: ^stable}]",
        "gerrit: {}",
    ),
    "restored": ("gerrit: [{event: change-restored, branch: ^master$}]", "gerrit: {}"),
    "merged": ("gerrit: [{event: change-merged}]", "gerrit: {}"),
    "post": (
        "gerrit: [{event: ref-updated, ref: ^(refs/heads/)?(master|stable)$}]",
        "database: {}",
    ),
    "periodic": ("timer: [{time: '* * * * * */2'}]", "database: {}"),
    "children": ("zuul: [{event: parent-change-enqueued, pipeline: ^gate$}]", "gerrit: {}"),
    "conflicts": (
        "zuul: [{event: project-change-merged}]",
        "database: {}\n    merge-failure:\n      gerrit: {Verified: -1}",
    ),
}
GATE = """\
  - name: gate
    manager: DependentPipelineManager
    trigger:
      gerrit: [{event: comment-added, approval: [{Workflow: 1}]}]
    require:
      approval: [{email: ^core@, Code-Review: 2}]
    start: {gerrit: {Verified: 0}}
    success: {gerrit: {Verified: 2, submit: true}, mail: {subject: 'Merged {change.number}'}}
    failure: {gerrit: {Verified: -2}}
"""
CONNECTIONS = """
[connection mail]
driver = smtp
server = 127.0.0.1
port = {mail}
default_from = zuul@example.org
default_to = list@example.org

[connection database]
driver = sql
dburi = {database}
"""


def layout() -> str:
    pipelines = [
        PIPELINE.format(name=name, trigger=trigger, success=success)
        for name, (trigger, success) in SIMPLE.items()
    ]
    jobs = "".join(f"    {name}: [unit]\n" for name in (*SIMPLE, "gate"))
    return "\n".join(["pipelines:", *pipelines, GATE, "projects:", f"  - name: acme/one\n{jobs}"])


class Room:
    """A site, and what its pipelines said of changes."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def said(self, upload: Upload) -> list[str]:
        """Names of pipelines that were content with it, in that order."""
        review = self.site.find_review(upload)
        words = "\n".join(review.comments if review else ())
        return [line.split()[1] for line in words.splitlines() if line.endswith("is content.")]

    def expect(self, upload: Upload, pipeline: str, times: int = 1) -> None:
        wait_for(
            lambda: self.said(upload).count(pipeline) >= times,
            f"word {times} of {pipeline}",
            60,
            lambda: self.site.explain(upload),
        )

    def comment(self, upload: Upload, words: str, user: str = "core") -> None:
        command = f"gerrit review --message {words} {upload.number},1"
        said = self.site.endpoint.ssh(user, command)
        assert said.exit_code == 0, said.stderr


@pytest.mark.parametrize(
    "gerrit", ["sandbox", pytest.param("real_gerrit", marks=pytest.mark.real)], indirect=True
)
def test_every_trigger_requirement_and_reporter(
    gerrit: Any, start_site: Callable[..., Site], tmp_path: Path
) -> None:
    founder = Developer(gerrit.endpoint, "zuul", tmp_path / "founder-of-stable")
    tree = founder.start("acme/one")
    founder.git(tree, "push", "-q", "origin", "HEAD:refs/heads/stable")
    database = f"sqlite:///{tmp_path}/reports/zuul.sqlite"
    with started_mail_server() as mails:
        connections = CONNECTIONS.format(mail=mails.port, database=database)
        site = start_site(gerrit, layout=layout(), connections=connections, workers=3)
        room = Room(site)
        change = site.push("acme/one", "Add a", files={"a": "1\n"})
        room.expect(change, "check")
        assert (mails.wait()[0].recipients, Rows(database).wait()[0]["pipeline"] != "") == (
            ["dev@example.org"],
            True,
        )
        people_speak(room, change)
        stable = site.push("acme/one", "Add s", files={"s": "1\n"}, branch="stable")
        room.expect(stable, "stable")
        room.expect(stable, "check")
        it_merges(room, change)
        subjects = [mail.subject for mail in mails.wait(3)]
        assert f"Merged {change.number}" in subjects
        rows = Rows(database)
        wait_for(
            lambda: {"post", "periodic"} <= {row["pipeline"] for row in rows.buildsets()},
            "rows of refs and timers",
            60,
            site.suite.logs,
        )


def people_speak(room: Room, change: Upload) -> None:
    room.comment(change, "recheck", "core")
    room.comment(change, "recheck", "dev")
    room.expect(change, "recheck")
    room.comment(change, "please", "dev")
    room.comment(change, "please", "core")
    room.expect(change, "by-mail")
    # Nobody but zuul has voted; then the core reviewer does, for and against.
    room.comment(change, "go")
    room.expect(change, "wary")
    room.expect(change, "careful")
    room.site.say(change, "--label Code-Review=1")
    room.comment(change, "go")
    room.expect(change, "trusting")
    room.expect(change, "wary", 2)
    room.expect(change, "careful", 2)
    room.site.say(change, "--label Code-Review=-1")
    room.comment(change, "go")
    room.site.say(change, "--abandon")
    room.site.say(change, "--restore")
    room.expect(change, "restored")
    said = room.said(change)
    once = ("recheck", "by-mail", "trusting", "restored")
    assert [said.count(name) for name in once] == [1, 1, 1, 1]
    assert (said.count("wary"), said.count("careful")) == (2, 2)


def it_merges(room: Room, change: Upload) -> None:
    site = room.site
    child = site.push("acme/one", "Child", files={"b": "1\n"}, onto=change.revision)
    other = site.push("acme/one", "Other", files={"a": "2\n"})
    for upload in (child, other):
        room.expect(upload, "check")
    site.approve(change)
    site.expect_merged(change)
    room.expect(change, "merged")
    room.expect(child, "children")
    told = site.expect_vote(other, "Verified -1")
    assert "Merge Failed." in told.comments[-1]
