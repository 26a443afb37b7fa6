"""zuul-merger on a Gearman server: its functions, its answers to bad requests, its signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import PROTOCOLS, OriginRepo, merger_world, published, wire
from zuul.lib.gearman import AdminClient, GearmanClient, GearmanServer
from zuul.lib.gearman.client import Outcome
from zuul.lib.process import AlreadyRunning
from zuul.merger.merger import MergerSettings
from zuul.merger.server import MergeServer
from zuul.merger.upkeep import UpkeepPolicy

pytestmark = pytest.mark.integration

ZUUL_URL = "http://merger.example.com/p"


@pytest.fixture
def gearman() -> Iterator[GearmanServer]:
    server = GearmanServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(gearman: GearmanServer) -> Iterator[GearmanClient]:
    made = GearmanClient("test", "127.0.0.1", gearman.port)
    yield made
    made.close()


@pytest.fixture
def merger(gearman: GearmanServer, tmp_path: Path) -> Iterator[MergeServer]:
    settings = MergerSettings(
        tmp_path / "git", protocols=PROTOCOLS, upkeep=UpkeepPolicy(loose_objects=0, packs=0)
    )
    server = MergeServer(settings, ZUUL_URL, "127.0.0.1", gearman.port, idle_seconds=0.3)
    server.start()
    assert server.wait_connected(10)
    yield server
    server.stop()


def ask(client: GearmanClient, function: str, request: object) -> Any:
    payload = request if isinstance(request, bytes) else json.dumps(request).encode()
    outcome, data = client.call(function, payload, timeout_seconds=30)
    assert outcome is Outcome.COMPLETE, (outcome, data)
    return json.loads(data)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_064_merge_update_and_head_with_zuul_url(
    client: GearmanClient, merger: MergeServer, project: OriginRepo
) -> None:
    a, b = project.changes("AB")
    first = ask(client, "merger:merge", {"items": [wire(a)]})
    assert first["merged"] is True
    assert first["zuul_url"] == ZUUL_URL
    assert first["merger_id"] == merger.merger_id
    assert first["conflict"] is first["error"] is None
    assert first["unknown_parent"] is False
    to_this_one = f"merger:merge:{merger.merger_id}"
    second = ask(client, to_this_one, {"items": [wire(b)], "parent": {"ref": a.zuul_ref}})
    assert second["merged"] is True
    assert second["base_tree"] == first["tree"]
    other = ask(client, "merger:merge", {"items": [wire(b)], "parent": {"ref": "Z" + "0" * 32}})
    assert (other["merged"], other["unknown_parent"]) == (False, True)

    place = {"project": project.project, "connection_name": None, "url": project.url}
    assert ask(client, "merger:update", place)["updated"] is True
    head = ask(client, "merger:head", {**place, "branch": "master"})
    assert head["commit"] == project.head["master"]


def test_conflict_on_the_wire(
    client: GearmanClient, merger: MergeServer, project: OriginRepo
) -> None:
    a, b = (project.change({"same": text}) for text in ("a\n", "b\n"))
    answer = ask(client, "merger:merge", {"items": [wire(a), wire(b)]})
    assert answer["merged"] is False
    assert answer["commit"] is None
    assert answer["conflict"] == {"project": "org/project", "number": "2", "patchset": "1"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"project": "../../etc"}, "project"),
        ({"project": "-x"}, "project"),
        ({"branch": "--upload-pack=touch /tmp/x"}, "branch"),
        ({"refspec": "refs/heads/*:refs/heads/*"}, "refspec"),
        ({"ref": "../Z"}, "ref"),
        ({"url": "ext::sh -c id"}, "url"),
        ({"merge_mode": 7}, "merge_mode"),
        ({"number": [1]}, "number"),
    ],
)
def test_bad_items_are_named_and_the_merger_goes_on(
    client: GearmanClient,
    merger: MergeServer,
    project: OriginRepo,
    change: dict[str, object],
    named: str,
) -> None:
    item = wire(project.change({"A": "a"}))
    answer = ask(client, "merger:merge", {"items": [{**item, **change}]})
    assert answer["merged"] is False
    assert answer["error"].startswith(f"items[0].{named}: ")
    assert ask(client, "merger:merge", {"items": [item]})["merged"] is True


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"[]", b"{}", b'{"items": 3}', b"[" * 99999])
def test_garbage_is_answered(client: GearmanClient, merger: MergeServer, payload: bytes) -> None:
    assert ask(client, "merger:merge", payload)["merged"] is False
    assert ask(client, "merger:head", payload)["commit"] is None
    assert ask(client, "merger:update", payload)["error"]


def test_idle_merger_packs_and_results_stay(
    client: GearmanClient, merger: MergeServer, project: OriginRepo, tmp_path: Path
) -> None:
    a, b = project.changes("AB")
    assert ask(client, "merger:merge", {"items": [wire(a)]})["merged"]
    packs = tmp_path / "git/org/project/.git/objects/pack"
    wait_until(lambda: any(packs.glob("*.pack")), "never packed")
    answer = ask(client, "merger:merge", {"items": [wire(b)], "parent": {"ref": a.zuul_ref}})
    assert answer["merged"] is True


def test_one_merger_a_git_dir(merger: MergeServer, gearman: GearmanServer, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning):
        MergeServer(MergerSettings(tmp_path / "git"), ZUUL_URL, "127.0.0.1", gearman.port)


# -- the program


class Program:
    """zuul-merger as a process, whose ssh waits for a file before it goes on."""

    def __init__(self, folder: Path, gearman_port: int) -> None:
        self.gate = folder / "go"
        ssh = folder / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text(
            "#!/bin/sh\n"
            f"while [ ! -e {self.gate} ]; do sleep 0.02; done\n"
            'for last in "$@"; do :; done\n'
            'eval "exec git-upload-pack $(printf %s "$last" | cut -d" " -f2-)"\n'
        )
        ssh.chmod(0o755)
        config = folder / "zuul.conf"
        config.write_text(
            f"[gearman]\nserver = 127.0.0.1\nport = {gearman_port}\n"
            f"[merger]\ngit_dir = {folder}/git\nzuul_url = {ZUUL_URL}\n"
            f"[zuul]\nstate_dir = {folder}\n"
        )
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from zuul.cmd.merger import main; sys.exit(main())",
                "-c",
                str(config),
                "-d",
            ],
            env={**os.environ, "PATH": f"{ssh.parent}:{os.environ['PATH']}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def program(gearman: GearmanServer, tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path, gearman.port)
    admin = AdminClient("127.0.0.1", gearman.port)
    wait_until(lambda: "merger:merge" in admin.status(), "zuul-merger never came up")
    admin.close()
    yield started
    started.close()


def begin_slow_job(client: GearmanClient, gearman_port: int, project: OriginRepo) -> list[Any]:
    """Submit a merge that waits for ssh; returns a list that gets the outcome."""
    item = wire(project.change({"A": "a"})) | {"url": f"ssh://review.example.com{project.path}"}
    ended: list[Any] = []

    def call() -> None:
        request = json.dumps({"items": [item]}).encode()
        ended.append(client.call("merger:merge", request, timeout_seconds=40))

    threading.Thread(target=call, daemon=True).start()
    admin = AdminClient("127.0.0.1", gearman_port)
    wait_until(lambda: admin.status()["merger:merge"].running == 1, "the job never began")
    admin.close()
    return ended


def test_usr1_finishes_the_job_and_exits(
    program: Program, client: GearmanClient, gearman: GearmanServer, project: OriginRepo
) -> None:
    ended = begin_slow_job(client, gearman.port, project)
    program.process.send_signal(signal.SIGUSR2)
    program.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: any("Finishing" in line for line in program.lines), "USR1 was not heard")
    assert program.process.poll() is None
    assert ended == []
    program.gate.touch()
    assert program.process.wait(20) == 0, program.lines
    wait_until(lambda: bool(ended), "no answer")
    outcome, data = ended[0]
    assert outcome is Outcome.COMPLETE
    assert json.loads(data)["merged"] is True
    assert any("Thread: merger" in line for line in program.lines)


def test_usr1_exits_when_idle(program: Program) -> None:
    program.process.send_signal(signal.SIGUSR1)
    assert program.process.wait(20) == 0, program.lines


def test_term_exits_at_once_and_takes_git_along(
    program: Program,
    client: GearmanClient,
    gearman: GearmanServer,
    project: OriginRepo,
    tmp_path: Path,
) -> None:
    begin_slow_job(client, gearman.port, project)
    begun = time.monotonic()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(20) == 0, program.lines
    assert time.monotonic() - begun < 8
    script = str(tmp_path / "bin" / "ssh").encode()

    def is_gone() -> bool:
        return not any(script in _command_line(process) for process in Path("/proc").iterdir())

    wait_until(is_gone, "ssh outlived the merger")


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes() if process.name.isdigit() else b""
    except OSError:
        return b""


def test_mistakes_in_zuul_conf_end_it_with_status_1(tmp_path: Path) -> None:
    config = tmp_path / "zuul.conf"
    config.write_text("[gearman]\nport = many\n[merger]\nref_max_age_days = -1\n")
    code = "import sys; from zuul.cmd.merger import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "-c", str(config), "-d"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    for named in ("server", "port", "zuul_url", "ref_max_age_days"):
        assert named in done.stderr


def test_refs_of_old_expire_and_new_ones_stay(project: OriginRepo, tmp_path: Path) -> None:
    with merger_world(tmp_path) as world:
        a, b = project.changes("AB")
        assert world.merge(a).error is None
        world.restart()
        assert world.merge(b).error is None
        # Both are fast-forwards to commits of 2014; only the second may be in use.
        world.merger.expire_refs(30, time.time())
        assert world.refs("org/project") == {published(b)}
        assert (
            run_git(world.git_dir / "org/project", "fsck", "--connectivity-only", "--no-dangling")
            == ""
        )
