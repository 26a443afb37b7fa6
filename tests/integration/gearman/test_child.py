"""The Gearman server that zuul-server starts: listens, comes back, goes with its parent."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.processes import wait_for
from zuul.daemon.gearman_child import GearmanChild
from zuul.lib.gearman import AdminClient
from zuul.lib.problems import ConfigError
from zuul.lib.tls import TlsFiles, client_context

pytestmark = pytest.mark.integration


@pytest.fixture
def child() -> Iterator[GearmanChild]:
    server = GearmanChild("127.0.0.1", 0, None)
    server.start()
    yield server
    server.stop()


def answers(port: int) -> bool:
    admin = AdminClient("127.0.0.1", port, 2.0)
    try:
        admin.version()
    except OSError:
        return False
    finally:
        admin.close()
    return True


def test_it_answers_once_started_and_is_gone_once_stopped(child: GearmanChild) -> None:
    assert answers(child.port)
    child.stop()
    assert not answers(child.port)


def test_it_comes_back_on_its_port_when_it_dies(child: GearmanChild) -> None:
    first = child.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: child.pid != first and answers(child.port), "a new server")


def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "import time; from zuul.daemon.gearman_child import GearmanChild\n"
        "child = GearmanChild('127.0.0.1', 0, None); child.start()\n"
        "print(child.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert answers(port)
        parent.kill()
    wait_for(lambda: not answers(port), "the end of the child")


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = GearmanChild("127.0.0.1", port, None)
        with pytest.raises(OSError, match=f"{port}.*gearman_server.port"):
            child.start()
        child.stop()


def papers(folder: Path) -> tuple[TlsFiles, TlsFiles]:
    authority = Authority(folder, "ours")
    return authority.issue("server"), authority.issue("zuul")


def asks(port: int, context: ssl.SSLContext) -> str:
    admin = AdminClient("127.0.0.1", port, ssl_context=context)
    try:
        admin.status()
    except OSError as error:
        return str(error)
    finally:
        admin.close()
    return "answered"


def test_it_reads_its_access_list_again(tmp_path: Path) -> None:
    server_papers, client_papers = papers(tmp_path)
    acl = tmp_path / "acl.ini"
    acl.write_text("[zuul]\nadmin=status\n")
    acl.chmod(0o644)
    context = client_context(client_papers, check_hostname=True)
    child = GearmanChild("127.0.0.1", 0, None, tls=server_papers, acl=acl)
    child.start()
    try:
        assert asks(child.port, context) == "answered"
        acl.write_text("[zuul]\nadmin=workers\n")
        child.reload()
        wait_for(lambda: "may not use" in asks(child.port, context), "a refusal")
        acl.write_text("[zuul]\nadmin=everything\n")
        child.reload()
        acl.write_text("[zuul]\nadmin=status\n")
        child.reload()
        wait_for(lambda: asks(child.port, context) == "answered", "an answer")
    finally:
        child.stop()


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("[zuul]\nadmin=everything\n", 0o644, "acl.ini:2: zuul.admin: unknown command"),
        ("[zuul]\n", 0o664, "acl.ini: others than its owner can change it"),
        ("x" * (1 << 20) + "y", 0o600, "larger than"),
        ("\udc80", 0o600, "is not UTF-8"),
    ],
)
def test_an_access_list_that_cannot_be_used_is_told_at_start(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    acl = tmp_path / "acl.ini"
    acl.write_text(text, errors="surrogateescape")
    acl.chmod(mode)
    child = GearmanChild("127.0.0.1", 0, None, tls=papers(tmp_path)[0], acl=acl)
    with pytest.raises(ConfigError, match=words):
        child.start()
    child.stop()


def test_papers_that_cannot_be_used_are_told_at_start(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    child = GearmanChild("127.0.0.1", 0, None, tls=TlsFiles(missing, missing, missing))
    with pytest.raises(ConfigError, match=r"\[gearman_server\]: .*missing.pem"):
        child.start()
    child.stop()


def test_one_that_died_is_not_told_and_nobody_minds(
    child: GearmanChild, caplog: pytest.LogCaptureFixture
) -> None:
    first = child.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not answers(child.port) or child.pid != first, "the end of the first")
    child.reload()
    wait_for(lambda: child.pid != first and answers(child.port), "a new server")
    child.reload()
    child.stop()
    child.reload()
