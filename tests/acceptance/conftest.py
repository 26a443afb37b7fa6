"""The whole suite, as processes, around a sandbox or a real Gerrit."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.people import JOBS, LAYOUT, Site
from tests.demo.review import found_project
from tests.sandbox.developer import Developer
from tests.sandbox.gerrit import SandboxGerrit
from tests.support.processes import Process, find_free_port, wait_for
from tests.support.real_gerrit import RealGerrit, RealGerritUnavailable
from tests.support.services import unavailable
from tests.support.suite import Suite


@pytest.fixture
def gearmand() -> Iterator[int]:
    """Port of a C gearmand."""
    program = shutil.which("gearmand")
    if program is None:
        unavailable("gearmand is not installed (Debian: gearman-job-server)")
    port = find_free_port()
    command = [program, "-L", "127.0.0.1", "-p", str(port), "--log-file=stderr"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), "gearmand")
        yield port
    finally:
        process.terminate()
        process.wait(10)


#: gear's own server, which zuul-server replaces: sites that run geard keep it
_GEAR = "import gear, sys, threading; gear.Server(int(sys.argv[1]), host='127.0.0.1')"


@pytest.fixture
def geard(tmp_path: Path) -> Iterator[int]:
    """Port of gear's own server, as a process."""
    port = find_free_port()
    command = [sys.executable, "-c", f"{_GEAR}; threading.Event().wait()", str(port)]
    process = Process.start("geard", command, tmp_path)
    try:
        wait_for(lambda: _listens(port), "gear's server", explain=process.log)
        yield port
    finally:
        process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _found_projects(gerrit: Any, folder: Path) -> None:
    founder = Developer(gerrit.endpoint, "zuul", folder)
    for project in ("acme/one", "acme/two"):
        gerrit.create_project(project)
        found_project(founder, project, {f"{project[5:]}.txt": "start\n"})


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "gerrit") as gerrit:
        _found_projects(gerrit, tmp_path / "founder")
        yield gerrit


@pytest.fixture
def real_gerrit(tmp_path: Path) -> Iterator[RealGerrit]:
    """A real Gerrit of the test's own."""
    try:
        gerrit = RealGerrit().start()
    except RealGerritUnavailable as lack:
        unavailable(str(lack))
    try:
        _found_projects(gerrit, tmp_path / "founder")
        yield gerrit
    finally:
        gerrit.stop()


@pytest.fixture(params=["sandbox", pytest.param("real_gerrit", marks=pytest.mark.real)])
def gerrit(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def start_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts the suite around a Gerrit: `start_site(gerrit, **options of Suite)`."""
    started: list[Site] = []

    def start(gerrit: object, **options: object) -> Site:
        layout = str(options.pop("layout", LAYOUT))
        options.setdefault("jobs", JOBS)
        suite = Suite(tmp_path / "suite", gerrit.endpoint, layout, **options)  # type: ignore[attr-defined, arg-type]
        site = Site(gerrit, suite, tmp_path / "people")
        started.append(site)
        suite.start()
        return site

    yield start
    for site in started:
        site.suite.stop()
