"""Several connections of the driver gerrit: contract zuul.md 12.17."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gerrit_driver_world import PROJECT, World, wait_for
from tests.sandbox.gerrit import SandboxGerrit


def test_136_two_connections_to_one_server_vote_with_accounts_of_their_own(tmp_path: Path) -> None:
    with SandboxGerrit(tmp_path / "gerrit") as server:
        server.create_project(PROJECT)
        world = World(server, tmp_path)
        voter = {"name": "civoter", "user": "core"}
        key = server.endpoint.identity("core").key_file
        with (
            world.driver(same_server=frozenset({"civoter"})) as first,
            world.driver(sshkey=key, same_server=frozenset({"gerrit"}), **voter) as second,
        ):
            wait_for("streams", lambda: first.listening.is_set() and second.listening.is_set())
            upload = server.upload(PROJECT, "Add a")
            world.wait_trigger("patchset-created", upload.number, count=2)
            heard = {
                told.event.connection: told.subject
                for told in world.triggers("patchset-created", upload.number)
            }
            assert heard.keys() == {"gerrit", "civoter"}
            change = heard["gerrit"]
            assert change.key.connection == "gerrit"
            assert world.report(first, change, {"verified": 1}).reported
            assert world.votes(upload.number) == {"zuul": 1}
            assert world.report(second, change, {"verified": -1}).reported
            assert world.votes(upload.number) == {"zuul": 1, "core": -1}
            assert len(world.messages(upload.number, "core")) == 1


def test_137_a_change_of_another_server_is_not_reported_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SandboxGerrit(tmp_path / "one") as one, SandboxGerrit(tmp_path / "two") as two:
        worlds = []
        for server, folder in ((one, "w1"), (two, "w2")):
            server.create_project(PROJECT)
            worlds.append(World(server, tmp_path / folder))
        with worlds[0].driver(name="review") as first, worlds[1].driver(name="alt") as second:
            wait_for("streams", lambda: first.listening.is_set() and second.listening.is_set())
            uploads = [server.upload(PROJECT, "Add a") for server in (one, two)]
            assert uploads[0].number == uploads[1].number
            number = uploads[0].number
            change = worlds[0].wait_trigger("patchset-created", number).subject
            assert worlds[0].report(first, change, {"verified": 1}).reported
            answer = worlds[1].report(second, change, {"verified": 1})
            assert not answer.reported
            assert answer.reason == f"change {number},1 is one of review, not of alt"
            assert worlds[1].votes(number) == {}
            assert worlds[1].messages(number) == []
    assert "A report is for another server and is dropped" in caplog.text
