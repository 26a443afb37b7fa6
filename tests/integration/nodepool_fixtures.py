"""Fixtures of nodepool's tests: databases of every kind, what the core is told, a target."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodepool.drivers.jenkins import TargetEdge
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_store_world import Site
from tests.integration.nodepool_targets import USERS, target_of
from tests.sandbox.jenkins import SandboxJenkins


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with _opened(database_url) as made:
        yield made


@pytest.fixture
def sqlite_site(sqlite_url: str) -> Iterator[Site]:
    """For what is SQLite's own way."""
    with _opened(sqlite_url) as made:
        yield made


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(params=["modern", "old"])
def jenkins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SandboxJenkins]:
    with SandboxJenkins(
        tmp_path / "jenkins", modern=request.param == "modern", users=USERS
    ) as jenkins:
        yield jenkins


@pytest.fixture
def make_target_edge(inbox: Inbox) -> Iterator[Callable[..., TargetEdge]]:
    with contextlib.ExitStack() as stack:

        def make(**more: Any) -> TargetEdge:
            edge = TargetEdge(inbox, **more)
            stack.callback(edge.stop)
            edge.start()
            return edge

        yield make


@pytest.fixture
def target_edge(make_target_edge: Callable[..., TargetEdge], jenkins: SandboxJenkins) -> TargetEdge:
    """Its one target is called main."""
    edge = make_target_edge()
    edge.configure({"main": target_of(jenkins.url)})
    return edge


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Site]:
    made = Site(url)
    try:
        yield made
    finally:
        made.database.close()
