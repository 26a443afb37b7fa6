"""The two Gerrits the same cases run on: the sandbox and a real 3.9.4, one of each a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.gerrit_site import GerritSite
from tests.sandbox.gerrit import SandboxGerrit
from tests.support.real_gerrit import RealGerrit, RealGerritUnavailable


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
