"""Git over SSH as the merger runs it, with a program in ssh's place that notes its arguments."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.merger_world import OriginRepo, merger_world
from zuul.lib.git_names import check_url
from zuul.merger.failures import RequestInvalid
from zuul.merger.requests import MergeItem
from zuul.merger.ssh import SshLogin, wrapper_path

pytestmark = pytest.mark.integration

Install = Callable[[str], Path]

SERVES = 'eval "exec git-upload-pack $(printf %s "$last" | cut -d" " -f2-)"'


@pytest.fixture
def install_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a script named ssh first on the PATH: it notes its arguments, then does `ending`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "ssh.log"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(ending: str) -> Path:
        script = folder / "ssh"
        script.write_text(
            "#!/bin/sh\n"
            f'for last in "$@"; do printf "%s\\0" "$last" >> {log}; done\n'
            f'printf "\\n" >> {log}\n'
            f"{ending}\n"
        )
        script.chmod(0o755)
        return log

    return install


def over_ssh(project: OriginRepo, item: MergeItem, connection: str) -> MergeItem:
    url = f"ssh://zuul@review.example.com:29418{project.path}"
    return replace(item, origin=replace(item.origin, url=url, connection=connection))


def calls(log: Path) -> list[list[str]]:
    return [line.rstrip("\0").split("\0") for line in log.read_text().splitlines()]


def test_065_wrapper_holds_key_and_known_hosts(tmp_path: Path, install_ssh: Install) -> None:
    log = install_ssh(SERVES)
    key, hosts = str(tmp_path / "a key's 100%"), str(tmp_path / "known hosts")
    login = SshLogin('odd "name"/x', key, hosts)
    project = OriginRepo(tmp_path / "origin", "org/project")
    with merger_world(tmp_path, (login,)) as world:
        item = over_ssh(project, project.change({"A": "a"}), login.connection)
        assert world.merge(item).error is None
        script = wrapper_path(world.git_dir, login.connection)
        assert script.parent == world.git_dir
        assert script.name.startswith(".ssh_wrapper_odd")
        assert stat.S_IMODE(script.stat().st_mode) == 0o700
    options = calls(log)[0]
    assert "StrictHostKeyChecking=yes" in options
    assert "BatchMode=yes" in options
    assert f'IdentityFile="{key.replace("%", "%%")}"' in options
    assert f'UserKnownHostsFile="{hosts}"' in options
    assert options[options.index("-p") + 1] == "29418"
    assert "zuul@review.example.com" in options


def test_065_without_a_key_host_keys_are_still_checked(
    tmp_path: Path, install_ssh: Install
) -> None:
    log = install_ssh(SERVES)
    project = OriginRepo(tmp_path / "origin", "org/project")
    with merger_world(tmp_path) as world:
        assert world.merge(over_ssh(project, project.change({"A": "a"}), "unknown")).error is None
    assert "StrictHostKeyChecking=yes" in calls(log)[0]


def test_unknown_host_key_says_what_to_do(tmp_path: Path, install_ssh: Install) -> None:
    install_ssh("echo 'Host key verification failed.' >&2; exit 255")
    project = OriginRepo(tmp_path / "origin", "org/project")
    login = SshLogin("gerrit", None, "/etc/zuul/known_hosts")
    with merger_world(tmp_path, (login,)) as world:
        answer = world.merge(over_ssh(project, project.change({"A": "a"}), "gerrit"))
    assert "ssh-keyscan -p 29418 review.example.com" in str(answer.error)
    assert "/etc/zuul/known_hosts" in str(answer.error)
    assert "fingerprint" in str(answer.error)
    assert json.dumps(answer.wire())


def test_a_silent_server_is_given_up_and_its_ssh_killed(
    tmp_path: Path, install_ssh: Install
) -> None:
    pid_file = tmp_path / "pid"
    install_ssh(f"echo $$ > {pid_file}; exec sleep 600")
    project = OriginRepo(tmp_path / "origin", "org/project")
    with merger_world(tmp_path) as world:
        short = replace(world.settings.limits, clone_seconds=0.5, fetch_seconds=0.5)
        world.settings = replace(world.settings, limits=short)
        world.restart()
        answer = world.merge(over_ssh(project, project.change({"A": "a"}), ""))
    assert "killed after 0.5 s" in str(answer.error)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{int(pid_file.read_text())}/cmdline").exists():
        assert time.monotonic() < deadline, "ssh outlived its git"
        time.sleep(0.02)


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/x", "file:///etc", "-oProxyCommand=x"])
def test_other_protocols_are_refused_before_git(url: str, tmp_path: Path) -> None:
    project = OriginRepo(tmp_path / "origin", "org/project")
    with pytest.raises(RequestInvalid):
        check_url(url)
    # And by git itself, should one come through.
    with merger_world(tmp_path) as world:
        item = project.change({"A": "a"})
        bad = replace(item, origin=replace(item.origin, url="ext::touch " + str(tmp_path / "ran")))
        assert world.merge(bad).commit is None
    assert not (tmp_path / "ran").exists()
