"""The two OpenStacks the same cases run on, and what the cases do to them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_account import Account
from tests.support.real_openstack import RealOpenStack, RealOpenStackUnavailable
from tests.support.services import unavailable
from tests.support.waiting import pauses

T = TypeVar("T")
WAIT_SECONDS = 60.0
INSTANCES = 6
#: a well-formed key that nobody has the other half of
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF8N8lEjcKTFlcyKKUAGyLpCxA+0ZnWPLkbx1TPPjgmC nobody"
)
_count = itertools.count(1)


class NovaSite:
    """One OpenStack, used as the user demo."""

    def __init__(self, kind: str, account: Account) -> None:
        self.kind = kind
        self.account = account
        self.session = account.session()
        self._clients: dict[str, Any] = {}

    def nova(self, version: str = "2.1") -> Any:
        """A novaclient of that microversion, kept."""
        if version not in self._clients:
            self._clients[version] = self.account.nova(version)
        return self._clients[version]

    def ask(
        self, method: str, path: str, service: str = "compute", version: str = "2.1", **more: Any
    ) -> Any:
        """A plain request; no error is raised for what comes back."""
        headers = dict(more.pop("headers", {}))
        if service == "compute":
            headers["OpenStack-API-Version"] = f"compute {version}"
            headers["X-OpenStack-Nova-API-Version"] = version
        return self.session.request(
            path,
            method,
            endpoint_filter={"service_type": service},
            headers=headers,
            raise_exc=False,
            **more,
        )

    def name(self, word: str = "thing") -> str:
        return f"{word}-{next(_count)}"

    @property
    def image(self) -> Any:
        return self.nova().glance.find_image("base")

    @property
    def flavor(self) -> Any:
        return next(flavor for flavor in self.nova().flavors.list() if flavor.name == "m1.tiny")

    def boot(self, version: str = "2.67", **more: Any) -> Any:
        """A server that is ACTIVE and has no task."""
        words = {"nics": "auto", **more}
        name = words.pop("name", None) or self.name("server")
        nova = self.nova(version)
        server = nova.servers.create(name, words.pop("image", self.image), self.flavor, **words)
        return self.settled(server.id, version)

    def can_boot(self) -> bool:
        """Tried with a server that is deleted again."""
        status = self.boot(nics="none").status
        self.clear()
        return bool(status == "ACTIVE")

    def settled(self, server_id: str, version: str = "2.67") -> Any:
        def look() -> Any:
            server = self.nova(version).servers.get(server_id)
            done = server.status in ("ACTIVE", "ERROR", "SHUTOFF")
            return server if done and getattr(server, "OS-EXT-STS:task_state") is None else None

        return wait_for(look)

    def snapshot(self, server: Any, name: str, metadata: dict[str, str] | None = None) -> str:
        """The id of an image that is active."""
        image_id: str = server.create_image(name, metadata or {})
        wait_for(lambda: self.nova().glance.find_image(image_id).status == "active")
        self.settled(server.id)
        return image_id

    def clear(self) -> None:
        """Nothing is left of what the cases made."""
        nova = self.nova()
        for server in nova.servers.list():
            server.delete()
        wait_for(lambda: not nova.servers.list())
        for keypair in nova.keypairs.list():
            keypair.delete()
        for row in self.ask("GET", "/images").json()["images"]:
            if row["name"] != "base":
                self.ask("DELETE", f"/images/{row['id']}")
        for row in self.ask("GET", "/os-floating-ips").json()["floating_ips"]:
            self.ask("DELETE", f"/os-floating-ips/{row['id']}")


def wait_for(look: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    pause = pauses()
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(next(pause))
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(scope="session")
def sandbox_nova(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NovaSite]:
    with SandboxCloud(tmp_path_factory.mktemp("cloud"), quota=INSTANCES) as cloud:
        cloud.set_quota("demo", cores=20, ram=51200)
        yield NovaSite("sandbox", cloud.account())


@pytest.fixture(scope="session")
def real_nova() -> Iterator[NovaSite]:
    """Skips where the real one cannot be had; in CI that is a failure."""
    cloud = RealOpenStack(instances=INSTANCES)
    try:
        cloud.start()
    except RealOpenStackUnavailable as lack:
        unavailable(str(lack))
    try:
        site = NovaSite("real", cloud.account())
        # Its first servers end in ERROR until the scheduler knows of the compute host.
        wait_for(site.can_boot)
        yield site
    finally:
        cloud.stop()


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def nova_site(request: pytest.FixtureRequest) -> Iterator[NovaSite]:
    """Each of the two in turn, empty before and after."""
    found: Any = request.getfixturevalue(f"{request.param}_nova")
    assert isinstance(found, NovaSite)
    yield found
    found.clear()
