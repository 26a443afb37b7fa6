"""A reload touches only what differs: seen from the clouds and targets themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodepool.config import parse_config
from nodepool.core.events import Event
from nodepool.daemon.edges import Edges
from tests.sandbox.nova import SandboxCloud
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    with SandboxCloud(tmp_path / "cloud", ssh=False) as cloud:
        cloud.add_user("other", "otherpw", "demo")
        yield cloud


def text(cloud: SandboxCloud, **changes: str) -> str:
    """Two providers in one account, by different users."""
    providers = []
    for name, user in (("a", "demo"), ("b", "other")):
        account = cloud.account(user)
        providers.append(
            f"  - {{name: {name}, auth-url: '{account.auth_url}', username: {account.username},"
            f" password: {account.password}, project-name: {account.project_name},"
            f" region-name: {account.region}, rate: 0.0{changes.get(name, '')},"
            " images: [{name: i, min-ram: 1, base-image: base}]}"
        )
    return "providers:\n" + "\n".join(providers) + "\n"


def test_a_provider_logs_in_again_only_if_its_cloud_differs(cloud: SandboxCloud) -> None:
    told: list[Event] = []
    edges = Edges(told.append, lambda *task: None)
    listed: Any = lambda: {getattr(event, "provider", "") for event in told} >= {"a", "b"}  # noqa: E731

    def logins() -> int:
        return len(cloud.requests.of("token"))

    try:
        edges.configure(parse_config(text(cloud, a=", max-servers: 1", b=", max-servers: 1"), "n"))
        edges.start()
        eventually(listed, "lists of both", 60)
        assert logins() == 2
        # Limits and images are effective by being there.
        edges.configure(parse_config(text(cloud, a=", max-servers: 5", b=", max-servers: 1"), "n"))
        told.clear()
        edges.expect({"a", "b"}, ())
        eventually(listed, "lists of both", 60)
        assert logins() == 2
        more = ", max-servers: 5, api-timeout: 30"
        edges.configure(parse_config(text(cloud, a=more, b=", max-servers: 1"), "n"))
        eventually(lambda: logins() == 3, "a new login", 60)
        told.clear()
        eventually(listed, "lists of both", 60)
        assert logins() == 3
    finally:
        edges.stop()
