"""The commands on a SQLite file, with a daemon's part played by hand where one is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodepool.core.commands import RemoveNode
from nodepool.db.database import Database
from nodepool.model import NodeState
from tests.integration.nodepool_store_world import Site
from tests.unit.nodepool.cmd.desk import Desk, save_node, wait_with
from zuul.lib.secret import Secret


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


def test_an_empty_database_lists_nothing(desk: Desk, site: Site) -> None:
    for command in ("list", "image-list", "dib-image-list", "job-list"):
        assert desk.rows(command) == []
        assert len([line for line in desk.run(command).splitlines() if line[0] == "|"]) == 1


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
