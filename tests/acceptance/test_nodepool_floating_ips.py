"""A cloud of private addresses, a provider without a pool: nodes are reached by floating IPs, and
none is left over, whenever nodepoold is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nodepool_site import CLOUD_OPTIONS, NodepoolSite
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

PREFIX = "10.77"


class PrivateSite(NodepoolSite):
    """Nothing leads to a server's own address."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, cloud_options=(*CLOUD_OPTIONS, "--prefix", PREFIX, *options))

    def floating_ips(self) -> dict[str, str | None]:
        """The servers that have them."""
        found: dict[str, str | None] = self.cloud.call("floating_ips")
        return found

    def wanted(self) -> dict[str | None, str | None]:
        """As the rows tell."""
        return {node.machines[0].ip: node.machines[0].server_id for node in self.nodes()}

    def await_order(self) -> None:
        """One ready node, and no floating IP but its own."""

        def ready() -> bool:
            nodes = self.nodes()
            if [node.state.word for node in nodes] != ["ready"]:
                return False
            return self.floating_ips() == self.wanted()

        wait_for(ready, "one node and its floating IP", 90, self.explain)

    def explain(self) -> str:
        return f"{self.floating_ips()}\n{super().explain()}"


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PrivateSite]:
    options = getattr(request, "param", ())
    with PrivateSite(tmp_path / "site", *options) as site:
        site.wait_for_nodes(1)
        yield site


def test_a_node_has_a_floating_ip_as_long_as_it_lives(site: PrivateSite) -> None:
    (node,) = site.nodes("ready")
    machine = node.machines[0]
    assert machine.ip_private is not None
    assert machine.ip_private.startswith(f"{PREFIX}.")
    # That of the server on which the image was built is gone.
    assert site.floating_ips() == {machine.ip: machine.server_id}
    build = site.submit("unit")
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename
    site.wait_until_gone([node.nodename])
    assert machine.ip not in site.floating_ips()
    site.await_order()


@pytest.mark.parametrize("site", [(), ("--no-descriptions",)], ids=["marked", "not"], indirect=True)
def test_one_whose_answer_a_killed_nodepoold_did_not_hear_goes(site: PrivateSite) -> None:
    site.await_order()
    site.cloud.call("faults.add", "floatingips.create", after=True, silent=True)
    site.submit("unit")

    def unheard() -> set[str]:
        return set(site.floating_ips()) - {node.machines[0].ip for node in site.nodes()}

    lost = wait_for(unheard, "a floating IP that no row knows", 60, site.explain)
    site.nodepoold.kill()
    assert lost <= set(site.floating_ips())
    site.cloud.call("faults.clear")
    site.start_nodepoold()
    wait_for(lambda: not lost & set(site.floating_ips()), "its end", 90, site.explain)
    site.await_order()


def test_a_kill_between_the_deletes_of_floating_ip_and_server(site: PrivateSite) -> None:
    site.await_order()
    (node,) = site.nodes("ready")
    site.cloud.call("faults.add", "floatingips.delete", times=1, after=True, silent=True)
    site.submit("unit")
    gone = node.machines[0]
    wait_for(lambda: gone.ip not in site.floating_ips(), "the first delete", 60, site.explain)
    site.nodepoold.kill()
    assert gone.server_id in {server["id"] for server in site.servers()}
    site.start_nodepoold()
    site.wait_until_gone([node.nodename])
    site.await_order()
