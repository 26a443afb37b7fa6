"""nodepool alien-computer-list and alien-computer-delete on sandbox masters, new and old."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nodepool.cmd import computers
from nodepool.cmd.nodepool import main
from nodepool.core.commands import SaveNode
from nodepool.drivers.target_jenkins import TargetJenkins
from nodepool.model import Machine
from tests.integration.nodepool_store_world import Site, new_node
from tests.integration.nodepool_targets import TOKEN
from tests.sandbox.jenkins import SandboxJenkins

pytestmark = pytest.mark.integration

CONFIG = """
targets: [{name: bare}, {name: down}, {name: main}]
"""
OURS = "Dynamic single use precise node"
LIST, DELETE = "alien-computer-list", "alien-computer-delete"


@dataclass
class Place:
    """A master, a database, and the files that name both."""

    jenkins: SandboxJenkins
    site: Site
    file: Path
    capsys: pytest.CaptureFixture[str]
    said: str = ""

    def run(self, *words: str, status: int = 0) -> Any:
        secure = self.file.with_name("secure.conf")
        self.capsys.readouterr()
        assert main(["-c", str(self.file), "-s", str(secure), *words, "--json"]) == status
        out, self.said = self.capsys.readouterr()
        return json.loads(out) if out else None

    def aliens(self, *words: str, status: int = 0) -> list[str]:
        return [row["nodename"] for row in self.run(LIST, *words, status=status)]

    def delete(self, *names: str, status: int = 0) -> list[str]:
        return [row["nodename"] for row in self.run(DELETE, "main", *names, status=status)]

    def add(self, name: str, description: str = OURS, *, offline: bool = True) -> None:
        self.jenkins.add_node(name, name, description=description)
        if offline:
            self.jenkins.set_offline(name)

    def occupy(self, name: str) -> None:
        self.jenkins.add_job(f"on-{name}", "sleep 60", labels=name, quiet_seconds=0)
        self.jenkins.start_build(f"on-{name}")
        self.jenkins.wait_for(lambda builds: any(each.building for each in builds))

    def save_row(self, *hostnames: str, target: str = "main") -> int:
        node = new_node(self.site, nodename=hostnames[0])
        machines = tuple(Machine(f"{name}.example.org") for name in hostnames)
        self.site.store.commit([SaveNode(replace(node, machines=machines, target=target), None)])
        return node.id


@pytest.fixture
def place(
    jenkins: SandboxJenkins, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    file = tmp_path / "nodepool.yaml"
    file.write_text(CONFIG)
    url = f"sqlite:///{tmp_path}/nodepool.sqlite"
    login = f"user=nodepool\napikey={TOKEN}\n"
    file.with_name("secure.conf").write_text(
        f"[database]\ndburi={url}\n"
        f'[jenkins "main"]\nurl={jenkins.url}\n{login}'
        f'[jenkins "down"]\nurl=http://127.0.0.1:1/\n{login}'
    )
    site = Site(url)
    try:
        yield Place(jenkins, site, file, capsys)
    finally:
        site.database.close()


def test_computers_that_no_row_knows(place: Place) -> None:
    place.add("precise-old-1")
    place.add("precise-old-2", offline=False)
    place.add("static", "a machine of ours")
    place.add("named_like-ours-4", "")
    place.add("known-1")
    place.add("known-1-1")
    place.save_row("known-1", "known-1-1", target="renamed")
    assert place.run(LIST, "main") == [
        {
            "target": "main",
            "nodename": f"precise-old-{number}",
            "label": "precise",
            "offline": offline,
            "idle": True,
        }
        for number, offline in ((1, True), (2, False))
    ]


def test_a_new_master_is_asked_once(place: Place) -> None:
    for number in range(3):
        place.add(f"precise-old-{number}")
    place.add("known")
    place.save_row("known")
    assert len(place.aliens("main")) == 3
    paths = [each.path for each in place.jenkins.requests.matching("", "GET")]
    assert paths.count("/computer/api/json") == 1
    labels = [path for path in paths if path.startswith("/label/")]
    if place.jenkins.modern:
        assert labels == []
    else:
        # of the three, and of the master itself
        assert "/label/known/api/json" not in labels
        assert len(labels) in (3, 4)


def test_a_target_that_does_not_answer_is_told_of_and_left_out(place: Place) -> None:
    place.add("precise-old-1")
    assert place.aliens(status=1) == ["precise-old-1"]
    assert place.said.startswith("down is left out: ")
    assert TOKEN not in place.said
    place.run(LIST, "bare", status=1)
    assert place.said == "There is no target 'bare' with a Jenkins; there are: down, main\n"


def test_those_that_are_named_go(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("one", "two", "three"):
        place.add(name, offline=name != "two")
    with caplog.at_level(logging.INFO, "nodepool.Aliens"):
        assert place.delete("one", "two", "one") == ["one", "two"]
    assert place.aliens("main") == ["three"]
    told = [each.getMessage() for each in caplog.records if each.name == "nodepool.Aliens"]
    assert len(told) == 2
    assert "target=main nodename=one by=" in told[0]


def test_all_others_stay_and_it_says_why(place: Place) -> None:
    place.add("static", "a machine of ours")
    place.add("dead")
    place.add("busy", offline=False)
    place.occupy("busy")
    place.jenkins.set_offline("busy")
    place.add("known")
    number = place.save_row("known")
    names = ("static", "busy", "known", "nobody", "dead")
    assert place.delete(*names, status=1) == ["dead"]
    assert place.said.splitlines()[:4] == [
        "static stays: it is none of nodepool's, by its description",
        "busy stays: it runs a build",
        f"known stays: it is of node {number}, which `nodepool delete {number}` deletes",
        "nobody stays: the target has no such computer",
    ]
    kept = set(place.jenkins.call(lambda: list(place.jenkins.parts[0].nodes)))
    assert {"static", "busy", "known"} <= kept
    assert "dead" not in kept


def test_the_master_itself_stays(place: Place) -> None:
    own = ("Built-In Node", "master", "(built-in)", "(master)", "..")
    assert place.delete(*own, status=1) == []
    assert len(place.said.splitlines()) == len(own)


def test_a_row_that_came_after_the_list_is_seen(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read last: what is in the list and was ours all the time is no alien."""
    listing, coming = TargetJenkins.list_computers, ["to-list", "to-delete"]
    for name in coming:
        place.add(name)

    def slow(self: TargetJenkins, until: float) -> Any:
        found = listing(self, until)
        place.save_row(coming.pop())
        return found

    monkeypatch.setattr(TargetJenkins, "list_computers", slow)
    assert place.delete("to-delete", status=1) == []
    assert place.aliens("main") == []


def test_after_no_answer_the_rest_is_not_asked_for(place: Place) -> None:
    for name in ("one", "two"):
        place.add(name)
    place.jenkins.faults.add("^/computer/one/doDelete", status=503)
    assert place.delete("one", "two", status=1) == []
    assert place.said.startswith("one may be there still: ")
    assert "two" not in place.said
    place.jenkins.faults.clear()
    place.jenkins.faults.add("^/computer/one/doDelete", status=400)
    assert place.delete("one", "two", status=1) == ["two"]


def test_it_ends_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.add("one")
    assert place.delete("one", "two", "--timeout", "1e-9", status=1) == []
    assert "one may be there still: target main was not asked in time" in place.said
    monkeypatch.setattr(computers, "LIST_SECONDS", 0.0)
    assert place.aliens("main", status=1) == []
    assert "main is left out: target main was not asked in time" in place.said
