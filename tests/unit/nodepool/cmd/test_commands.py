"""The commands on a SQLite file, with a daemon's part played by hand where one is waited for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nodepool.cmd import images, nodes
from nodepool.cmd import site as command_site
from nodepool.cmd.nodepool import main
from nodepool.cmd.waiting import Watch
from nodepool.core.commands import RemoveImage, RemoveNode, RemoveRequest, SaveImage, SaveNode
from nodepool.core.events import ImageDeletionRequested, ImageRequested
from nodepool.db.database import Database
from nodepool.model import Machine, NodeState, Presence
from tests.integration.nodepool_store_world import Site, new_image, new_node
from zuul.lib.secret import Secret

CONFIG = """
dburi: {dburi}
labels: [{{name: label, image: precise, min-ready: 1, providers: [{{name: cloud}}]}}]
providers:
  - {{name: cloud, max-servers: 2, images: [{{name: precise, min-ram: 1, base-image: Precise}}]}}
targets: [{{name: jenkins}}]
"""


class Desk:
    """A person at the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self.file = folder / "nodepool.yaml"
        self.file.write_text(CONFIG.format(dburi=self.dburi))
        self._capsys = capsys
        self.said = ""

    def run(self, *arguments: object, status: int = 0) -> str:
        """What it prints; `said` is what it says besides."""
        self._capsys.readouterr()
        try:
            ended = main(["-c", str(self.file), *map(str, arguments)])
        except SystemExit as error:
            ended = int(error.code or 0)
        out, self.said = self._capsys.readouterr()
        assert ended == status, self.said
        return out

    def rows(self, *arguments: object, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))


@pytest.fixture(autouse=True)
def no_site_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command_site, "SECURE", tmp_path / "no-secure.conf")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: to make them anew for each test takes long."""
    file = tmp_path_factory.mktemp("empty") / "nodepool.sqlite"
    database = Database(Secret(f"sqlite:///{file}"))
    database.migrate()
    database.close()
    return file


@pytest.fixture
def site(desk: Desk, empty: Path) -> Iterator[Site]:
    """Of the daemon: its lease is held."""
    shutil.copy(empty, desk.file.with_name("nodepool.sqlite"))
    made = Site(desk.dburi)
    try:
        yield made
    finally:
        made.database.close()


def save_node(site: Site, **values: Any) -> int:
    node = new_node(site, **values)
    site.store.commit([SaveNode(node, None)])
    return node.id


def wait_with(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], object]) -> None:
    """Where a command would sleep, `pause` is called."""
    for module in (nodes, images):
        monkeypatch.setattr(module, "Watch", partial(Watch, pause=pause))


# -- nodes -----------------------------------------------------------------------------------------


def test_list_shows_the_state_in_its_column(desk: Desk, site: Site) -> None:
    node = save_node(site)
    heading, row = [line for line in desk.run("list").splitlines() if line.startswith("|")]
    assert row.split("|")[11].strip() == "building"
    assert heading.split("|")[11].strip() == "State"
    assert [each["id"] for each in desk.rows("list")] == [node]


def test_hold_keeps_its_reason(desk: Desk, site: Site) -> None:
    node = save_node(site)
    (row,) = desk.rows("hold", node, "--reason", "look at nova")
    assert (row["id"], row["state"], row["comment"]) == (node, "hold", "look at nova")
    assert [each.state for each in site.store.changes()] == [NodeState.HOLD]


def test_delete_marks_the_row_and_prints_it(desk: Desk, site: Site) -> None:
    node = save_node(site)
    (row,) = desk.rows("delete", node)
    assert (row["id"], row["state"]) == (node, "delete")
    assert desk.said == ""
    site.lease.release()
    desk.run("delete", node)
    assert desk.said == "No nodepoold runs; the node is deleted when one does.\n"


def test_delete_now_waits_until_the_daemon_removed_it(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = save_node(site, machines=2, registered=True)
    wait_with(monkeypatch, lambda _: site.store.commit([RemoveNode(node)]))
    desk.run("delete", node, "--now")
    assert desk.said == (
        f"Node {node} still has a server in cloud (no id known yet)"
        " and a server in cloud (no id known yet) and an entry in jenkins\n"
        f"Node {node} is gone.\n"
    )


def test_delete_now_says_why_not(desk: Desk, site: Site) -> None:
    node = save_node(site)
    desk.run("delete", node, "--now", "--timeout", "0.1", status=1)
    assert desk.said.splitlines()[-1] == (
        f"Not done within 0 s: Node {node} still has a server in cloud (no id known yet)"
    )
    site.lease.release()
    desk.run("delete", node, "--now", status=1)
    assert "No nodepoold runs; it is done when one does" in desk.said


@pytest.mark.parametrize("options", [(), ("--now",)])
def test_a_node_whose_provider_left_the_file_cannot_go(
    desk: Desk, site: Site, options: tuple[str, ...]
) -> None:
    node = save_node(site)
    desk.file.write_text(desk.file.read_text().replace("name: cloud", "name: other"))
    (row,) = desk.rows("delete", node, *options, status=1)
    assert row["state"] == "delete"
    assert desk.said == (
        f"Node {node} is marked, but {desk.file} has no provider cloud: nobody can be asked to"
        " delete its server (no id known) until it has\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("hold", 99), "Node 99 not found."),
        (("delete", 99), "Node 99 not found."),
        (("delete", 99, "--now"), "Node 99 not found."),
        (("image-delete", 99), "Image 99 not found."),
        (("job-delete", 99), "Job 99 not found."),
        (("alien-list", "mars"), "There is no provider 'mars'; there are: cloud"),
        (
            ("alien-computer-list", "mars"),
            "There is no target 'mars' with a Jenkins; there are: none",
        ),
        (
            ("alien-computer-delete", "jenkins", "n-1"),
            "There is no target 'jenkins' with a Jenkins; there are: none",
        ),
        (("image-update", "mars", "precise"), "There is no provider 'mars'; there are: cloud, all"),
        (("image-update", "all", "lucid"), "No provider has an image 'lucid'; there are: precise"),
        (
            ("image-build", "precise"),
            "image-build: this nodepool builds and uploads no disk images",
        ),
        (("image-upload", "all", "precise"), "image-upload: this nodepool builds"),
        (("dib-image-delete", "1"), "dib-image-delete: this nodepool builds"),
    ],
)
def test_what_is_not_there(
    desk: Desk, site: Site, arguments: tuple[object, ...], text: str
) -> None:
    assert desk.run(*arguments, status=1) == ""
    assert desk.said.startswith(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("hold", "one"),
        ("delete", "-1"),
        ("delete", "٣"),
        ("image-delete", 2**31),
        ("job-create", ""),
        ("job-create", "job", "--hold-on-failure", "some"),
        ("job-create", "job", "--hold-on-failure", 1_000_000),
        ("delete", 1, "--timeout", "nan"),
        ("alien-computer-delete", "jenkins"),
        ("frobnicate",),
        (),
    ],
)
def test_what_is_no_command(desk: Desk, arguments: tuple[object, ...]) -> None:
    desk.run(*arguments, status=2)
    assert "error: " in desk.said


# -- images ----------------------------------------------------------------------------------------


def test_an_empty_database_lists_nothing(desk: Desk, site: Site) -> None:
    for command in ("list", "image-list", "dib-image-list", "job-list"):
        assert desk.rows(command) == []
        assert len([line for line in desk.run(command).splitlines() if line[0] == "|"]) == 1


def test_image_list(desk: Desk, site: Site) -> None:
    site.store.commit([SaveImage(new_image(site))])
    (row,) = [line for line in desk.run("image-list").splitlines() if "precise" in line]
    assert row.split("|")[8].strip() == "building"


def test_requests_without_waiting(desk: Desk, site: Site) -> None:
    image = new_image(site)
    site.store.commit([SaveImage(image)])
    desk.run("image-update", "all", "precise", "--no-wait")
    assert desk.said == "nodepoold builds precise of cloud soon.\n"
    desk.run("image-delete", image.id)
    assert desk.said == f"nodepoold deletes image {image.id} soon.\n"
    built, deleted = site.store.requests()
    assert built == ImageRequested("cloud", "precise", built.request)
    assert deleted == ImageDeletionRequested(image.id, deleted.request)


class Builder:
    """A daemon that answers a request and does a step at each pause."""

    def __init__(self, site: Site, *ends: NodeState) -> None:
        self._site = site
        self._ends = list(ends)
        self._image = replace(new_image(site), state=NodeState.BUILDING)

    def __call__(self, _seconds: float) -> None:
        store = self._site.store
        if wishes := store.requests():
            store.commit([SaveImage(self._image), RemoveRequest(wishes[0].request)])
        elif self._ends:
            store.commit([SaveImage(self._image.with_state(self._ends.pop(0), 1.0))])
        else:
            store.commit([RemoveImage(self._image.id)])


def test_image_update_waits_for_the_new_image(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_with(monkeypatch, Builder(site, NodeState.BUILDING, NodeState.READY))
    (row,) = desk.rows("image-update", "cloud", "precise")
    assert (row["provider"], row["image"], row["state"]) == ("cloud", "precise", "ready")
    assert desk.said == (
        "Image precise of cloud waits for nodepoold\n"
        f"Image precise of cloud is being built (ID {row['id']})\n"
    )


def test_image_update_tells_of_a_build_that_failed(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_with(monkeypatch, Builder(site, NodeState.DELETE))
    assert desk.rows("image-update", "all", "precise", status=1) == []
    assert "Image precise of cloud was not built; nodepoold's log says why" in desk.said


def test_image_update_tells_of_a_daemon_that_begins_nothing(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_seconds: float) -> None:
        site.store.commit([RemoveRequest(site.store.requests()[0].request)])

    wait_with(monkeypatch, answer)
    assert desk.rows("image-update", "cloud", "precise", status=1) == []
    assert "was not built; nodepoold began nothing" in desk.said


def test_image_delete_now(desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    image = replace(new_image(site), state=NodeState.READY, external_id="x", keypair="key")
    site.store.commit([SaveImage(replace(image, presence=Presence.EXISTS))])
    wait_with(monkeypatch, lambda _: site.store.commit([RemoveImage(image.id)]))
    desk.run("image-delete", image.id, "--now")
    assert desk.said == (
        f"Image {image.id} (ready) still has in cloud: its image (x) and a server (no id known)"
        f" and the key pair key\nImage {image.id} is gone.\n"
    )


def test_image_delete_by_force_tells_what_may_stay(desk: Desk, site: Site) -> None:
    image = replace(new_image(site), state=NodeState.DELETE, external_id="x", keypair="key")
    image = replace(image, provider="former", machine=Machine(presence=Presence.GONE))
    site.store.commit([SaveImage(image)])
    desk.run("image-delete", image.id, "--force")
    assert desk.said == (
        "May stay in former, as no row knows of it then: its image (x), the key pair key.\n"
        f"nodepoold deletes image {image.id} soon.\n"
    )
    (wish,) = site.store.requests()
    assert wish == ImageDeletionRequested(image.id, wish.request, force=True)
    desk.run("image-delete", 99, "--force", status=1)


# -- jobs ------------------------------------------------------------------------------------------


def test_jobs_to_hold_nodes_of(desk: Desk, site: Site) -> None:
    (row,) = desk.rows("job-create", "gate-nova", "--hold-on-failure", 1)
    assert row == {"id": row["id"], "name": "gate-nova", "hold_on_failure": 1}
    assert site.store.holds() == {"gate-nova": 1}
    assert desk.rows("job-list") == [row]
    assert desk.rows("job-delete", row["id"]) == []
    assert site.store.holds() == {}


# -- the database and its address ------------------------------------------------------------------


def test_a_database_that_is_not_there_is_not_made(desk: Desk, tmp_path: Path) -> None:
    desk.run("list", status=1)
    assert "there is no database" in desk.said
    assert not (tmp_path / "nodepool.sqlite").exists()


def test_a_database_without_tables(desk: Desk) -> None:
    Database(Secret(desk.dburi)).close()
    desk.run("list", status=1)
    assert desk.said == "the database has no tables yet: nodepoold makes them as it starts\n"


def test_secure_conf_names_the_database(desk: Desk, site: Site, tmp_path: Path) -> None:
    secure = tmp_path / "secure.conf"
    secure.write_text("[database]\ndburi=sqlite:////nowhere/nodepool.sqlite\n")
    desk.run("list", "-s", secure, status=1)
    assert "there is no database /nowhere/nodepool.sqlite" in desk.said


def test_a_file_with_problems(desk: Desk) -> None:
    desk.file.write_text("labels: 5\n")
    desk.run("list", status=1)
    assert desk.said.startswith(f"{desk.file}:1: labels: expected")
    assert desk.rows("config-validate", status=1)["problems"][0]["key"] == "labels"


def test_logging_as_a_file_says(desk: Desk, site: Site, tmp_path: Path) -> None:
    desk.run("-l", tmp_path / "none", "list", status=1)
    assert "cannot be read" in desk.said
