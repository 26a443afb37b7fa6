"""Floating IPs: neutron's, or nova's own where the cloud has no neutron."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlencode

from nodepool.drivers import nova_rows as rows
from nodepool.drivers.nova_calls import Calls
from nodepool.drivers.nova_finds import Finds
from nodepool.errors import ProviderError, ProviderLacks, ServerNotFound
from nodepool.model import FloatingIp, Owner


class Addresses(Protocol):
    """Of one account. All raise ProviderError."""

    def all(self) -> tuple[FloatingIp, ...]: ...

    def attach(self, server_id: str, owner: Owner, pool: str | None) -> tuple[FloatingIp, str]:
        """A new one and its address. Without a pool it comes from the account's external network;
        of several from the first by name."""
        ...

    def delete(
        self, floating_ip: str, *, only_unattached: bool = False, or_of: str | None = None
    ) -> None:
        """None of that id is no error. `only_unattached`: unless something has it, other than the
        server `or_of`."""
        ...

    def delete_of(self, server_id: str) -> tuple[str, ...]:
        """The ids of those that were deleted."""
        ...


class NeutronAddresses:
    """They are made and attached in one call, with the owner's mark as their description: neutron
    keeps it from Mitaka on, and after their server is gone."""

    def __init__(self, calls: Calls, finds: Finds) -> None:
        self._calls = calls
        self._finds = finds

    def all(self) -> tuple[FloatingIp, ...]:
        network = self._calls.network
        return self._calls.do(
            "ListFloatingIPsTask",
            "list of floating IPs",
            lambda: tuple(
                rows.read_floating_ip(row)
                for row in network.get("/v2.0/floatingips").json()["floatingips"]
            ),
        )

    def attach(self, server_id: str, owner: Owner, pool: str | None) -> tuple[FloatingIp, str]:
        find = self._finds
        wanted = {
            "floating_network_id": find.network_called(pool) if pool else find.external_network(),
            "port_id": self._port_of(server_id),
            "description": rows.write_mark(owner),
        }
        network = self._calls.network

        def ask() -> tuple[FloatingIp, str]:
            body = network.post("/v2.0/floatingips", json={"floatingip": wanted}).json()
            row = body["floatingip"]
            return rows.read_floating_ip(row), str(row["floating_ip_address"])

        try:
            return self._calls.do("CreateFloatingIPTask", f"floating IP for {server_id}", ask)
        except ServerNotFound:
            find.forget()
            raise

    def _port_of(self, server_id: str) -> str:
        ports = self._ports_of(server_id)
        if not ports:
            raise ProviderLacks(f"{server_id} has no port", provider=self._calls.provider)
        return ports[0]

    def _ports_of(self, server_id: str) -> list[str]:
        query = urlencode({"device_id": server_id})
        return self._calls.do(
            "ListPortsTask",
            f"ports of {server_id}",
            lambda: [
                str(row["id"])
                for row in self._calls.network.get(f"/v2.0/ports?{query}").json()["ports"]
            ],
        )

    def delete_of(self, server_id: str) -> tuple[str, ...]:
        attached = [each for each in self.all() if each.is_attached]
        theirs = {server_id}
        if any(each.server_id is None for each in attached):
            # A neutron older than Rocky does not tell of what server a port is.
            theirs.update(self._ports_of(server_id))
        found = tuple(each.id for each in attached if (each.server_id or each.port_id) in theirs)
        for floating_ip in found:
            self.delete(floating_ip)
        return found

    def delete(
        self, floating_ip: str, *, only_unattached: bool = False, or_of: str | None = None
    ) -> None:
        url = f"/v2.0/floatingips/{floating_ip}"
        network = self._calls.network
        try:
            if only_unattached:
                row = self._calls.do(
                    "GetFloatingIPTask",
                    f"look at floating IP {floating_ip}",
                    lambda: network.get(url).json()["floatingip"],
                )
                if _is_in_use(rows.read_floating_ip(row), or_of):
                    return
            self._calls.do(
                "DeleteFloatingIPTask",
                f"delete of floating IP {floating_ip}",
                lambda: network.delete(url),
            )
        except ServerNotFound:
            return


class NovaAddresses:
    """nova-network's. They have no place for a mark: one that was made and is not attached yet is
    known to nobody but its call."""

    def __init__(self, calls: Calls, finds: Finds) -> None:
        self._calls = calls
        self._finds = finds

    def all(self) -> tuple[FloatingIp, ...]:
        get = self._calls.nova.client.get

        def ask() -> tuple[FloatingIp, ...]:
            _, body = get("/os-floating-ips")
            return tuple(rows.read_nova_floating_ip(row) for row in body["floating_ips"])

        try:
            return self._calls.do("ListFloatingIPsTask", "list of floating IPs", ask)
        except ServerNotFound:
            return ()  # an account, or a nova, without any such thing

    def attach(self, server_id: str, owner: Owner, pool: str | None) -> tuple[FloatingIp, str]:
        client = self._calls.nova.client
        wanted = {"pool": pool or self._first_pool()}

        def make() -> tuple[str, str]:
            _, body = client.post("/os-floating-ips", body=wanted)
            return str(body["floating_ip"]["id"]), str(body["floating_ip"]["ip"])

        number, address = self._calls.do(
            "CreateFloatingIPTask", f"floating IP for {server_id}", make
        )
        action = {"addFloatingIp": {"address": address}}
        try:
            self._calls.do(
                "AddFloatingIPTask",
                f"attach of floating IP {number} to {server_id}",
                lambda: client.post(f"/servers/{server_id}/action", body=action),
            )
        except ProviderError:
            self.delete(number)
            raise
        return FloatingIp(number, server_id), address

    def _first_pool(self) -> str:
        get = self._calls.nova.client.get

        def ask() -> list[str]:
            _, body = get("/os-floating-ip-pools")
            return [str(row["name"]) for row in body["floating_ip_pools"]]

        try:
            names = self._calls.do("ListFloatingIPPoolsTask", "pools of floating IPs", ask)
        except ServerNotFound:
            names = []
        return self._finds.first_pool(names)

    def delete(
        self, floating_ip: str, *, only_unattached: bool = False, or_of: str | None = None
    ) -> None:
        client = self._calls.nova.client
        url = f"/os-floating-ips/{floating_ip}"
        try:
            if only_unattached:

                def look() -> FloatingIp:
                    _, body = client.get(url)
                    return rows.read_nova_floating_ip(body["floating_ip"])

                what = f"look at floating IP {floating_ip}"
                if _is_in_use(self._calls.do("GetFloatingIPTask", what, look), or_of):
                    return
            self._calls.do(
                "DeleteFloatingIPTask",
                f"delete of floating IP {floating_ip}",
                lambda: client.delete(url),
            )
        except ServerNotFound:
            return

    def delete_of(self, server_id: str) -> tuple[str, ...]:
        found = tuple(each.id for each in self.all() if each.server_id == server_id)
        for floating_ip in found:
            self.delete(floating_ip)
        return found


def _is_in_use(found: FloatingIp, or_of: str | None) -> bool:
    """By another server than `or_of`."""
    return found.is_attached and (or_of is None or found.server_id != or_of)
