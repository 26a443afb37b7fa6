"""Every command of the client, as a process against a running zuul-server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.acceptance.people import LAYOUT, Site
from tests.sandbox.developer import Upload
from tests.support.processes import ROOT, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

#: changes enter by the client, and by nothing else
QUIET = LAYOUT.replace("event: patchset-created", "event: change-restored").replace(
    "approval: [{Workflow: 1}]", "comment: ^nobody says this$"
)


class Client:
    """`zuul -c zuul.conf WORDS...`"""

    def __init__(self, site: Site) -> None:
        self._site = site

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zuul.cmd.client", "-c", str(self._site.suite.conf_path)]
        return subprocess.run(
            [*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=60
        )

    def ok(self, *words: str, says: str = "") -> str:
        """Its output; `says`: what goes to standard error."""
        done = self.run(*words)
        assert (done.returncode, done.stderr.strip()) == (0, says)
        return done.stdout

    def refused(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Traceback" not in done.stderr
        return done.stderr


def key(upload: Upload) -> str:
    return f"{upload.number},1"


def expect_gate(site: Site, *keys: str) -> None:
    """status.json may be a second old."""
    wanted = list(keys)
    wait_for(
        lambda: [item["id"] for item in site.suite.items("gate")] == wanted,
        f"gate of {wanted}",
        60,
        site.suite.logs,
    )


def test_all_commands(sandbox: object, start_site: Callable[..., Site]) -> None:
    site = start_site(sandbox, layout=QUIET, mergers=1, workers=1)
    client = Client(site)
    enqueue = ("enqueue", "--trigger", "gerrit", "--pipeline", "gate", "--project", "acme/one")
    first = site.push("acme/one", "First", files={"slow": "90"})
    second = site.push("acme/one", "Second", files={"second": "2\n"})
    third = site.push("acme/one", "Third", files={"third": "3\n"})
    refuse_bad_input(client, enqueue)
    note = f"{key(first)} was not enqueued: the change cannot be submitted now"
    client.ok(*enqueue, "--change", key(first), says=note)

    client.ok("freeze", "--pipeline", "gate", "--reason", "release week")
    site.approve(first, second, third)
    for upload in (first, second, third):
        client.ok(*enqueue, "--change", key(upload))
    expect_gate(site, key(first), key(second), key(third))
    wait_for(lambda: is_running(site), "a running build", 60, site.suite.logs)
    table = client.ok("show", "running-jobs", "--columns", "pipeline,name,start_time,voting")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    assert ["gate", "unit"] in [row[:2] for row in rows if len(row) == 4 and row[2]]
    client.ok("promote", "--pipeline", "gate", "--changes", key(third), key(second))
    expect_gate(site, key(third), key(second), key(first))
    client.ok("dequeue", "--pipeline", "gate", "--change", key(first), "--reason", "too slow")
    expect_gate(site, key(third), key(second))
    client.ok("hold", "--pipeline", "gate", "--change", str(second.number), "--reason", "not yet")

    restart(site)
    listed = client.ok("show", "brakes")
    assert "release week" in listed
    assert "not yet" in listed
    for upload in (third, second):
        client.ok(*enqueue, "--change", key(upload))
    text = "pipeline gate is frozen: release week"
    wait_for(lambda: waiting(site, third) == text, "the freeze is shown", 60, site.suite.logs)
    (frozen,) = [p["freezes"] for p in site.suite.status()["pipelines"] if p["name"] == "gate"]
    assert frozen[0]["reason"] == "release week"
    assert site.review(third).status == "NEW"
    client.ok("unfreeze", "--pipeline", "gate")
    site.expect_merged(third)
    held = "the change is held: not yet"
    wait_for(lambda: waiting(site, second) == held, "the hold is shown", 60, site.suite.logs)
    client.ok("unhold", "--pipeline", "gate", "--change", str(second.number))
    site.expect_merged(second)
    assert site.review(first).status == "NEW"

    ref = ("--trigger", "gerrit", "--pipeline", "post", "--project", "acme/one", "--ref", "refs/x")
    client.ok("enqueue-ref", *ref, "--newrev", "1" * 40)
    check_audit(site)


def refuse_bad_input(client: Client, enqueue: tuple[str, ...]) -> None:
    wrong = client.refused(*enqueue[:-1], "acme/nosuch", "--change", "1,1")
    assert wrong == "Invalid project: acme/nosuch\nknown projects: acme/one, acme/two\n"
    assert client.refused(*enqueue, "--change", "999,1").startswith("Invalid change: 999,1\n")
    wrong = client.refused("dequeue", "--pipeline", "gate", "--change", "1,1")
    assert wrong == "Change 1,1 is not in pipeline gate\nin pipeline gate: none\n"


def is_running(site: Site) -> bool:
    (job, *_) = site.suite.items("gate")[0]["jobs"]
    return job["start_time"] is not None


def waiting(site: Site, upload: Upload) -> str | None:
    found = [item for item in site.suite.items("gate") if item["id"] == key(upload)]
    return str(found[0]["waiting"]) if found else None


def restart(site: Site) -> None:
    server = site.suite.processes["zuul-server"]
    server.send(signal.SIGTERM)
    assert server.wait(20) == 0
    site.suite.start_server()
    site.suite.wait_until_ready()
    wait_for(
        lambda: site.suite.gearman_workers().get("zuul:enqueue"), "requests that are taken", 60
    )


def check_audit(site: Site) -> None:
    """Who did what, when and why, the refusals too."""
    lines = (site.suite.folder / "state" / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert {entry["action"].removeprefix("zuul:") for entry in entries} == {
        *("enqueue", "enqueue_ref", "dequeue", "promote"),
        *("freeze", "unfreeze", "hold", "unhold"),
    }
    (freeze,) = [entry for entry in entries if entry["action"] == "zuul:freeze"]
    assert freeze["reason"] == "release week"
    assert "@" in freeze["by"]
    assert freeze["outcome"] == "done"
    assert sum(entry["outcome"] == "refused" for entry in entries) == 3
    log = site.suite.processes["zuul-server"].log(1_000_000)
    assert "Asked for and done action=zuul:unfreeze by=" in log
