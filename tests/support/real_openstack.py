"""A real OpenStack on loopback: keystone, glance, placement, neutron and nova with a fake driver.

`openstack/openstack-up` beside this file installs it from PyPI into the user's cache folder (once:
about a minute, 600 MB) and starts it (about 13 s, 760 MB of memory; 30 s the first time). There are
no guests: nothing answers at the servers' addresses.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.sandbox.nova_account import Account
from tests.sandbox.process import Block

SCRIPTS = Path(__file__).parent / "openstack"
#: Part of the installation's name: raise it when constraints.txt changes.
REVISION = 1
CACHE = Path.home() / ".cache" / "zuul-tests"
#: Where one stack's five ports begin; a second session on this machine takes the next.
BASES = (15700, 15720, 15740)
PORTS = 5
#: With the installation, on a busy machine.
START_SECONDS = 900.0
STOP_SECONDS = 60.0
PASSWORDS = {"demo": "demopw", "admin": "adminpw"}


class RealOpenStackUnavailable(Exception):
    """This machine cannot run the real OpenStack; the text says what lacks."""


class RealOpenStack(Block):
    """One whole stack, empty at the start; start() and stop(), or a `with` block."""

    def __init__(self, *, instances: int = 6) -> None:
        self._instances = instances
        self._locks = contextlib.ExitStack()
        self._environment: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def end(self) -> None:
        self.stop()

    def start(self) -> Self:
        """Install it if need be, start it on free ports, wait until all of it answers."""
        for program in ("bash", "curl", "tar"):
            if shutil.which(program) is None:
                raise RealOpenStackUnavailable(f"the real OpenStack needs {program}")
        CACHE.mkdir(parents=True, exist_ok=True)
        folder = CACHE / f"openstack-{REVISION}"
        deadline = time.monotonic() + START_SECONDS
        while not any(self._take(base, folder) for base in BASES):
            if time.monotonic() > deadline:
                raise RealOpenStackUnavailable(f"no free ports from {BASES[0]} on")
            time.sleep(1.0)
        try:
            with contextlib.ExitStack() as stack:
                if not (folder / ".done").exists():
                    stack.enter_context(_locked(CACHE / "openstack-install.lock"))
                self._words = _exports(self._run("openstack-up", START_SECONDS))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it and forget what it held; may be called twice."""
        if self._environment:
            self._run("openstack-down", STOP_SECONDS, "--wipe")
            self._environment = {}
        self._locks.close()

    def account(self, username: str = "demo") -> Account:
        """`demo` in the project demo, or `admin`, who may do all, in admin."""
        own = username == "demo"
        return Account(
            auth_url=self._words["OS_AUTH_URL"],
            username=username,
            password=PASSWORDS[username],
            project_name=username,
            project_id=self._words["OS_PROJECT_ID"] if own else "",
            region=self._words["OS_REGION_NAME"],
        )

    def _take(self, base: int, folder: Path) -> bool:
        """Whether these ports are ours now; what a session that was killed left there is ended."""
        try:
            self._locks.enter_context(_locked(CACHE / f"openstack-{base}.lock", wait=False))
        except BlockingIOError:
            return False
        self._environment = {
            **os.environ,
            "OS_VENV": str(folder),
            "OS_HOME": str(CACHE / f"openstack-run-{base}"),
            "OS_PORT_BASE": str(base),
            "NEUTRON_PLUGINS": "router",
            "QUOTA_INSTANCES": str(self._instances),
        }
        self._run("openstack-down", STOP_SECONDS, "--wipe")
        if all(_is_free(port) for port in range(base, base + PORTS)):
            return True
        self._environment = {}
        self._locks.close()
        return False

    def _run(self, script: str, seconds: float, *arguments: str) -> str:
        """What the script says; what it does is in its own folder's log files."""
        try:
            done = subprocess.run(
                [str(SCRIPTS / script), *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise RealOpenStackUnavailable(f"{script} took more than {seconds} s") from error
        if done.returncode != 0:
            raise RealOpenStackUnavailable(f"{script}: {done.stderr[-2000:]}")
        return done.stdout


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """BlockingIOError if somebody else has it and `wait` is off."""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _exports(text: str) -> dict[str, str]:
    """Of `export NAME=VALUE` lines."""
    lines = [line.removeprefix("export ") for line in text.splitlines() if "=" in line]
    return dict(line.split("=", 1) for line in lines)
