"""What words of layout.yaml and [swift] do, seen from outside: daemons, a Gerrit, real builds."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.people import Site
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

#: notes when it begins and ends. `free` and `locked` end once two of `free` have run side by side,
#: `first` once it may; all fail where there is a file `broken`
_SCRIPT = """
import os, sys, time
notes, job = sys.argv[1:]
change = os.environ.get("ZUUL_CHANGE", "-")
def note(word):
    with open(notes, "a") as out:
        out.write(f"{word} {job} {change}\\n")
def wait(condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(3)
        time.sleep(0.05)
note("begin")
if job in ("free", "locked"):
    wait(lambda: open(notes).read().count("begin free") > 1)
if job == "first":
    with open(notes + ".swift", "a") as out:
        out.write(os.environ.get("SWIFT_logs_URL", "none") + "\\n")
    wait(lambda: os.path.exists(notes + ".go"))
if job == "locked" and open(notes).read().count("begin locked") < 3:
    time.sleep(1)
note("end")
sys.exit(os.path.exists(os.path.join(os.environ["ZUUL_PROJECT"], "broken")))
"""

LAYOUT = """\
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger:
      gerrit: {event: patchset-created}
    success:
      gerrit: {Verified: 1}
    failure:
      gerrit: {Verified: -1}
    disabled:
      gerrit: {}
    disable-after-consecutive-failures: 2

  - name: gate
    manager: DependentPipelineManager
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Workflow: 1}]
    success:
      gerrit: {Verified: 2, submit: true}
    failure:
      gerrit: {Verified: -2}

  - name: merge-check
    manager: IndependentPipelineManager
    trigger:
      zuul: {event: project-change-merged}
    merge-failure:
      gerrit: {Verified: -1}

  - name: periodic
    manager: IndependentPipelineManager
    trigger:
      timer: {time: TIME}

jobs:
  - name: locked
    mutex: one-at-a-time
  - name: first
    hold-following-changes: true
    swift: {name: logs, container: "{job.name}-logs"}

projects:
  - name: acme/one
    check: [free, locked]
    gate: [first]
    merge-check: [noop]
  - name: acme/two
    check: [free, locked]
    gate: [first]
    periodic: [tick]
"""
SWIFT = """
[swift]
X-Account-Meta-Temp-Url-Key = not-so-secret
Send-Temp-Url-Key = false
X-Storage-Url = https://storage.example.org/v1/AUTH_ci
"""
NEVER, EVERY_SECOND = "'0 0 1 1 * 0'", "'* * * * * *'"


class Yard:
    """A site whose builds leave notes."""

    def __init__(self, site: Site, notes: Path) -> None:
        self.site = site
        self._notes = notes

    def notes(self, job: str) -> list[str]:
        """`begin CHANGE` and `end CHANGE` of a job's builds, in the order of happening."""
        lines = self._notes.read_text().split("\n") if self._notes.exists() else []
        return [line.replace(f" {job} ", " ") for line in lines if f" {job} " in line]

    def places(self) -> list[str]:
        """Where the builds of `first` may upload to."""
        return Path(f"{self._notes}.swift").read_text().split()

    def let_first_end(self) -> None:
        Path(f"{self._notes}.go").touch()

    def reload(self, time: str) -> None:
        """SIGHUP with another timer; returns once the gate has it."""
        suite = self.site.suite
        before = suite.status()["last_reconfigured"]
        suite.layout_path.write_text(LAYOUT.replace("TIME", time))
        suite.processes["zuul-server"].send(signal.SIGHUP)
        wait_for(lambda: suite.status()["last_reconfigured"] > before, "reload", explain=suite.logs)


def test_mutexes_holds_timers_and_disabled_pipelines(
    sandbox: object, start_site: Callable[..., Site], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    jobs = {
        name: [sys.executable, "-c", _SCRIPT, str(notes), name]
        for name in ("free", "locked", "first", "tick")
    }
    site = start_site(
        sandbox,
        layout=LAYOUT.replace("TIME", NEVER),
        jobs=jobs,
        mergers=1,
        workers=4,
        connections=SWIFT,
    )
    yard = Yard(site, notes)
    mutexes_have_one_holder(yard)
    changes_wait_for_the_job_ahead(yard)
    pipelines_are_disabled_until_a_reload(yard)


def mutexes_have_one_holder(yard: Yard) -> None:
    site = yard.site
    uploads = [site.push(name, "Race") for name in ("acme/one", "acme/two")]
    for upload in uploads:
        site.expect_vote(upload, "Verified +1")
    found = yard.notes("locked")
    assert [entry.split()[0] for entry in found] == ["begin", "end"] * 2
    assert [entry.split()[0] for entry in yard.notes("free")[:2]] == ["begin"] * 2


def changes_wait_for_the_job_ahead(yard: Yard) -> None:
    """And once the first has merged, an open change that conflicts with it is told so."""
    site = yard.site
    ahead = site.push("acme/one", "Ahead", files={"same": "one\n"})
    behind = site.push("acme/two", "Behind")
    conflict = site.push("acme/one", "Conflict", files={"same": "another\n"})
    for upload in (ahead, behind, conflict):
        site.expect_vote(upload, "Verified +1")
    site.approve(ahead, behind)
    number = behind.number
    server = site.suite.processes["zuul-server"]
    merged = re.compile(rf"Merge done .*pipeline=gate .*change={number},1 ")
    wait_for(lambda: merged.search(server.log(200_000)), "its ref", 60, site.suite.logs)
    wait_for(lambda: yard.notes("first"), "the build ahead", 60, site.suite.logs)
    assert [job["launch_time"] for job in site.expect_item("gate", behind)["jobs"]] == [None]
    yard.let_first_end()
    site.expect_merged(ahead)
    site.expect_merged(behind)
    order = [f"{word} {upload.number}" for upload in (ahead, behind) for word in ("begin", "end")]
    assert yard.notes("first") == order
    place = re.compile(
        r"https://storage\.example\.org/v1/AUTH_ci/first-logs/\d+/\d+/1/gate/first/[0-9a-f]{7}"
    )
    assert [bool(place.fullmatch(url)) for url in yard.places()] == [True, True]
    told = site.expect_vote(conflict, "Verified -1")
    assert "Merge Failed." in told.comments[-1]


def pipelines_are_disabled_until_a_reload(yard: Yard) -> None:
    """The reloads turn a timer on and off meanwhile."""
    site = yard.site
    for name in ("First", "Second"):
        site.expect_vote(
            site.push("acme/one", f"{name} failure", files={"broken": name}), "Verified -1"
        )
    third = site.push("acme/one", "Third failure", files={"broken": "3"})

    def told_without_a_vote() -> bool:
        review = site.find_review(third)
        return review is not None and "Build failed." in "".join(review.comments)

    wait_for(told_without_a_vote, "a comment", 60, site.suite.logs)
    site.expect_idle()
    assert not [vote for vote in site.review(third).votes if "by zuul" in vote]

    yard.reload(EVERY_SECOND)
    wait_for(lambda: yard.notes("tick").count("end -") > 1, "two ticks", 60, site.suite.logs)
    yard.reload(NEVER)
    site.expect_idle()
    ticks = yard.notes("tick")
    fourth = site.push("acme/one", "Fourth failure", files={"broken": "4"})
    site.expect_vote(fourth, "Verified -1")
    assert yard.notes("tick") == ticks, "a timer that is gone went off"
