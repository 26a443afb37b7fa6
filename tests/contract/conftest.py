"""The two Gerrits the same cases run on: the sandbox and a real 3.9.4, one of each a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.gerrit_site import GerritSite
from tests.contract.jenkins_site import JenkinsSite
from tests.contract.nova_site import nova_site, real_nova, sandbox_nova  # noqa: F401
from tests.integration.gerrit_driver_world import World
from tests.sandbox.gerrit import SandboxGerrit
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.real_gerrit import RealGerrit, RealGerritUnavailable
from tests.support.real_hudson import real_hudsons
from zuul.drivers.gerrit.driver import GerritDriver


@pytest.fixture(scope="session")
def sandbox_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GerritSite]:
    folder = tmp_path_factory.mktemp("sandbox")
    with SandboxGerrit(folder / "gerrit") as gerrit:
        yield GerritSite("sandbox", gerrit, folder)


@pytest.fixture(scope="session")
def real_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GerritSite]:
    """Skips where the real one cannot be had; in CI that is a failure."""
    gerrit = RealGerrit()
    try:
        gerrit.start()
    except RealGerritUnavailable as lack:
        gerrit.stop()
        if os.environ.get("CI") == "true":
            pytest.fail(str(lack))
        pytest.skip(str(lack))
    try:
        yield GerritSite("real", gerrit, tmp_path_factory.mktemp("real"))
    finally:
        gerrit.stop()


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def site(request: pytest.FixtureRequest) -> GerritSite:
    """Each of the two in turn."""
    found: Any = request.getfixturevalue(f"{request.param}_site")
    assert isinstance(found, GerritSite)
    return found


@pytest.fixture
def world(site: GerritSite, tmp_path: Path) -> World:
    """One of the two Gerrits, and our driver's view of it."""
    return World(site.gerrit, tmp_path)


@pytest.fixture
def driver(world: World) -> Iterator[GerritDriver]:
    """One that hears the stream by now."""
    with world.listening() as started:
        yield started


@pytest.fixture
def project(world: World, request: pytest.FixtureRequest) -> str:
    """One for each test."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")
    return world.project(f"org/{name}"[:80])


JENKINS_KINDS = [
    "sandbox-modern",
    "sandbox-old",
    pytest.param("real-hudson", marks=pytest.mark.real),
]


@pytest.fixture(scope="session")
def sandbox_modern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JenkinsSite]:
    with SandboxJenkins(tmp_path_factory.mktemp("jenkins")) as jenkins:
        site = JenkinsSite("sandbox-modern", jenkins)
        yield site
        site.close()


@pytest.fixture(scope="session")
def sandbox_old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JenkinsSite]:
    with SandboxJenkins(tmp_path_factory.mktemp("hudson"), modern=False) as jenkins:
        site = JenkinsSite("sandbox-old", jenkins)
        yield site
        site.close()


@pytest.fixture(scope="session")
def real_hudson() -> Iterator[JenkinsSite]:
    """Skips where the real one cannot be had; in CI that is a failure."""
    with real_hudsons(1) as [hudson]:
        site = JenkinsSite("real-hudson", hudson)
        yield site
        site.close()


@pytest.fixture(params=JENKINS_KINDS)
def jenkins_site(request: pytest.FixtureRequest) -> JenkinsSite:
    """Each of the three in turn."""
    found: Any = request.getfixturevalue(request.param.replace("-", "_"))
    assert isinstance(found, JenkinsSite)
    return found
