"""Daemons for real: detached, with a PID file, a umask, and signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = """\
import os, signal, sys
from pathlib import Path
from zuul.lib.process import AlreadyRunning, SignalQueue, running

folder = Path(sys.argv[1])
try:
    with running(foreground=False, pidfile=folder / "zuul.pid", timeout_seconds=0) as started:
        if len(sys.argv) > 2:
            eval(sys.argv[2])
        with SignalQueue([signal.SIGHUP, signal.SIGTERM]) as signals:
            (folder / "made").write_text(f"{os.getpid()} {os.getsid(0)} {os.getcwd()}")
            started()
            while (number := signals.wait(20)) is signal.SIGHUP:
                (folder / "heard").write_text(number.name)
except AlreadyRunning as error:
    sys.exit(str(error))
"""


def eventually(check: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def start(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), *more],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_156_a_daemon_lives_detached_and_leaves_nothing(tmp_path):
    pidfile, made, heard = tmp_path / "zuul.pid", tmp_path / "made", tmp_path / "heard"
    assert start(tmp_path).returncode == 0
    eventually(lambda: made.exists() and made.read_text().count(" ") == 2)
    pid, session, folder = made.read_text().split()
    try:
        assert pidfile.read_text() == f"{pid}\n"
        assert folder == "/"
        assert os.getsid(0) != int(session)
        assert made.stat().st_mode & 0o777 == 0o644

        second = start(tmp_path)
        assert second.returncode == 1
        assert f"process {pid} is running already" in second.stderr

        os.kill(int(pid), signal.SIGHUP)
        eventually(lambda: heard.exists() and heard.read_text() == "SIGHUP")
    finally:
        os.kill(int(pid), signal.SIGTERM)
    eventually(lambda: not pidfile.exists())


def test_a_killed_daemon_does_not_stop_the_next(tmp_path):
    pidfile, made = tmp_path / "zuul.pid", tmp_path / "made"
    assert start(tmp_path).returncode == 0
    eventually(lambda: made.exists() and made.read_text().count(" ") == 2)
    os.kill(int(made.read_text().split()[0]), signal.SIGKILL)
    made.unlink()
    eventually(lambda: start(tmp_path).returncode == 0)
    eventually(lambda: made.exists() and made.read_text().count(" ") == 2)
    os.kill(int(made.read_text().split()[0]), signal.SIGTERM)
    eventually(lambda: not pidfile.exists())


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("1 / 0", "division by zero\n"),
        ("sys.exit('no layout')", "no layout\n"),
        ("os._exit(0)", "It ended before it served.\n"),
    ],
)
def test_a_daemon_that_cannot_start_says_so(tmp_path, trouble, told):
    done = start(tmp_path, trouble)
    assert (done.returncode, done.stderr) == (1, told)
    if "_exit" not in trouble:
        eventually(lambda: not (tmp_path / "zuul.pid").exists())
