"""Ids of flavors, images and networks by what the configuration says of them, kept once found."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from nodepool.config.values import Network, ProviderImage
from nodepool.drivers.nova_calls import Calls
from nodepool.errors import ProviderLacks

log = logging.getLogger("nodepool.NovaProvider")

_EXTERNAL = "/v2.0/networks?router%3Aexternal=True"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Flavor:
    id: str
    name: str
    #: MiB
    ram: int
    vcpus: int


class Finds:
    """One provider's. Two threads may find the same twice, which does no harm."""

    def __init__(self, provider: str, calls: Calls) -> None:
        self._provider = provider
        self._calls = calls
        self._flavors: tuple[Flavor, ...] | None = None
        self._images: dict[str, str] = {}
        self._networks: dict[str, str] = {}
        self._external: str | None = None
        self._told_of_pools = False

    def forget(self) -> None:
        """Something found is no more."""
        self._flavors = None
        self._images = {}
        self._networks = {}
        self._external = None

    # -- flavors -----------------------------------------------------------------------------------

    def flavor(self, min_ram: int, name_filter: str | None) -> str:
        """The smallest that fits."""
        return self._fitting(self._known_flavors(), min_ram, name_filter).id

    def _fitting(self, flavors: Sequence[Flavor], min_ram: int, name_filter: str | None) -> Flavor:
        fitting = [
            each for each in flavors if each.ram >= min_ram and (name_filter or "") in each.name
        ]
        if not fitting:
            called = f" and {name_filter!r} in its name" if name_filter else ""
            raise ProviderLacks(
                f"There is no flavor with at least {min_ram} MiB{called}", provider=self._provider
            )
        return min(fitting, key=lambda each: (each.ram, each.vcpus, each.name))

    def _known_flavors(self) -> tuple[Flavor, ...]:
        if self._flavors is None:
            self._flavors = self._calls.do("ListFlavorsTask", "list of flavors", self._ask_flavors)
        return self._flavors

    def _ask_flavors(self) -> tuple[Flavor, ...]:
        _, body = self._calls.nova.client.get("/flavors/detail")
        return tuple(
            Flavor(str(row["id"]), str(row["name"]), int(row["ram"]), int(row["vcpus"]))
            for row in body["flavors"]
        )

    def room(self, limits: Mapping[str, int], images: Sequence[ProviderImage]) -> int | None:
        """Servers that still fit into absolute limits, each of the smallest flavor in use.

        The smallest, so that the answer is never too low: a create that is refused is told of,
        a node that is never asked for is not. None: nothing bounds them.
        """
        smallest: Flavor | None = None
        for image in images:
            try:
                flavor = self._fitting(self._known_flavors(), image.min_ram, image.name_filter)
            except ProviderLacks:
                continue
            if smallest is None or flavor.ram < smallest.ram:
                smallest = flavor
        bounds = [("maxTotalInstances", "totalInstancesUsed", 1)]
        if smallest is not None:
            bounds += [
                ("maxTotalRAMSize", "totalRAMUsed", smallest.ram),
                ("maxTotalCores", "totalCoresUsed", smallest.vcpus),
            ]
        rooms = [
            max(0, limits[most] - limits.get(used, 0)) // size
            for most, used, size in bounds
            if limits.get(most, -1) >= 0 and size > 0
        ]
        return min(rooms, default=None)

    # -- images and networks -----------------------------------------------------------------------

    def image(self, name: str | None) -> str:
        """A base image's id: itself, if it looks like one."""
        if name is None:
            raise ProviderLacks("The image has no base-image", provider=self._provider)
        if _UUID.fullmatch(name):
            return name
        if name not in self._images:
            query = urlencode({"name": name})
            found = self._calls.do(
                "FindImageTask",
                f"image {name}",
                lambda: self._calls.image.get(f"/v2/images?{query}").json()["images"],
            )
            self._images[name] = self._only("image", name, [str(row["id"]) for row in found])
        return self._images[name]

    def network(self, network: Network) -> str:
        return network.net_id or self.network_called(network.net_label or network.name or "")

    def network_called(self, name: str) -> str:
        if name not in self._networks:
            query = urlencode({"name": name})
            found = self._calls.do(
                "FindNetworkTask",
                f"network {name}",
                lambda: self._calls.network.get(f"/v2.0/networks?{query}").json()["networks"],
            )
            self._networks[name] = self._only("network", name, [str(row["id"]) for row in found])
        return self._networks[name]

    def external_network(self) -> str:
        """The id of the account's external network; of several the first by name."""
        if self._external is None:
            found = self._calls.do(
                "FindNetworkTask",
                "external networks",
                lambda: {
                    str(row["name"] or row["id"]): str(row["id"])
                    for row in self._calls.network.get(_EXTERNAL).json()["networks"]
                    if row.get("router:external")
                },
            )
            self._external = found[self.first_pool(list(found))]
        return self._external

    def first_pool(self, names: Sequence[str]) -> str:
        """Where floating IPs come from if no `pool` says it; which one is told once."""
        if not names:
            text = (
                "The server has no public address, its provider no pool, and the cloud none either"
            )
            raise ProviderLacks(text, provider=self._provider)
        first = min(names)
        if len(names) > 1 and not self._told_of_pools:
            self._told_of_pools = True
            log.warning(
                "Provider %s has several networks for floating IPs (%s): they are taken from %s, as"
                " the first by name; `pool` may name another",
                self._provider,
                ", ".join(sorted(names)),
                first,
            )
        return first

    def _only(self, kind: str, name: str, ids: list[str]) -> str:
        if len(ids) == 1:
            return ids[0]
        said = "There is no" if not ids else f"There are {len(ids)}"
        raise ProviderLacks(f"{said} {kind} called {name!r}", provider=self._provider)
