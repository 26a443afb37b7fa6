"""The Gearman server that zuul-server starts: listens, comes back, goes with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import wait_for
from zuul.daemon.gearman_child import GearmanChild
from zuul.lib.gearman import AdminClient

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
