"""NovaProvider: an OpenStack cloud behind the Provider protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from nodepool.config.values import ProviderConfig
from nodepool.drivers import nova_rows as rows
from nodepool.drivers.nova_addresses import Addresses, NeutronAddresses, NovaAddresses
from nodepool.drivers.nova_calls import Calls
from nodepool.drivers.nova_finds import Finds
from nodepool.drivers.pace import TaskHook
from nodepool.drivers.provider import ServerRequest
from nodepool.errors import (
    ProviderError,
    ProviderLacks,
    ProviderRefused,
    ServerNotFound,
)
from nodepool.model import CloudImage, FloatingIp, Owner, Server

T = TypeVar("T")
#: asked for; a cloud may give less, and says then where the next page begins
PAGE = 1000
#: a list that goes on longer than this is no list
MOST_PAGES = 200
CONSOLE_LINES = 1000


class NovaProvider:
    """One account. See Provider for what the methods do."""

    def __init__(self, config: ProviderConfig, on_task: TaskHook | None = None) -> None:
        """`on_task` is told of each call, on any thread."""
        self._config = config
        self._calls = Calls(config.name, config.cloud, on_task)
        self._finds = Finds(config.name, self._calls)

    def configure(self, config: ProviderConfig) -> None:
        self._config = config

    def close(self) -> None:
        self._calls.close()

    # -- servers -----------------------------------------------------------------------------------

    def create_server(self, request: ServerRequest) -> str:
        config = self._config
        image = config.images.get(request.image)
        if image is None:
            text = f"Image {request.image} is not configured"
            raise ProviderLacks(text, provider=config.name)
        base = request.external_id or self._finds.image(image.base_image)
        words: dict[str, Any] = {"meta": rows.server_metadata(request.owner, request.image)}
        if config.networks:
            words["nics"] = [{"net-id": self._finds.network(each)} for each in config.networks]
        if image.config_drive is not None:
            words["config_drive"] = image.config_drive
        if request.az is not None:
            words["availability_zone"] = request.az
        key_name = request.keypair or image.key_name
        if key_name is not None:
            words["key_name"] = key_name
        flavor = self._finds.flavor(image.min_ram, image.name_filter)
        servers = self._calls.nova.servers
        name = request.hostname
        try:
            return self._do(
                "CreateServerTask",
                f"create of {name}",
                lambda: str(servers.create(name, image=base, flavor=flavor, **words).id),
            )
        except (ProviderLacks, ServerNotFound) as error:
            self._finds.forget()
            raise ProviderLacks(str(error), provider=config.name) from error

    def delete_server(self, server_id: str) -> bool:
        servers = self._calls.nova.servers
        return self._found(
            "DeleteServerTask", f"delete of {server_id}", lambda: servers.delete(server_id)
        )

    def has_server(self, server_id: str) -> bool:
        get = self._calls.nova.client.get
        return self._found(
            "GetServerTask", f"look at {server_id}", lambda: get(f"/servers/{server_id}")
        )

    def list_servers(self) -> tuple[Server, ...]:
        public = frozenset(
            name
            for network in self._config.networks
            if network.public and (name := network.name or network.net_label)
        )
        found: list[Server] = []
        marker: str | None = None
        for _ in range(MOST_PAGES):
            page, more = self._server_page(marker, public)
            found += page
            if not more or not page:
                return tuple(found)
            marker = page[-1].id
        raise ProviderError("The list of servers does not end", provider=self._config.name)

    def _server_page(self, marker: str | None, public: frozenset[str]) -> tuple[list[Server], bool]:
        """One page, and whether the cloud says that there are more."""
        query = {"limit": PAGE, **({"marker": marker} if marker else {})}

        def ask() -> tuple[list[Server], bool]:
            _, body = self._calls.nova.client.get(f"/servers/detail?{urlencode(query)}")
            page = [rows.read_server(row, public) for row in body["servers"]]
            links = body.get("servers_links") or ()
            return page, any(link.get("rel") == "next" for link in links)

        return self._do("ListServersTask", "list of servers", ask)

    def console_log(self, server_id: str) -> str:
        servers = self._calls.nova.servers
        return self._do(
            "GetConsoleTask",
            f"console of {server_id}",
            lambda: str(servers.get_console_output(server_id, CONSOLE_LINES)),
        )

    def read_room(self) -> int | None:
        """From the account's absolute limits; memory and cores count by the smallest flavor that
        the provider's images take."""
        get = self._calls.nova.client.get

        def ask() -> dict[str, int]:
            _, body = get("/limits")
            return {k: int(v) for k, v in body["limits"]["absolute"].items()}

        limits = self._do("GetLimitsTask", "limits", ask)
        return self._finds.room(limits, list(self._config.images.values()))

    # -- images ------------------------------------------------------------------------------------

    def list_images(self) -> tuple[CloudImage, ...]:
        found: list[CloudImage] = []
        url = f"/v2/images?limit={PAGE}"
        for _ in range(MOST_PAGES):
            page, url = self._do("ListImagesTask", "list of images", partial(self._image_page, url))
            found += page
            if not url:
                return tuple(found)
        raise ProviderError("The list of images does not end", provider=self._config.name)

    def _image_page(self, url: str) -> tuple[list[CloudImage], str]:
        """One page, and where the next one is; empty: there is none."""
        body = self._calls.image.get(url).json()
        return [rows.read_image(row) for row in body["images"]], str(body.get("next") or "")

    def take_snapshot(
        self, server_id: str, name: str, owner: Owner, meta: tuple[tuple[str, str], ...]
    ) -> str:
        servers = self._calls.nova.servers
        mark = {rows.MARK: rows.write_mark(owner), "image_type": "snapshot"}
        words = {**dict(meta), **mark}
        return self._do(
            "CreateImageTask",
            f"snapshot of {server_id}",
            lambda: str(servers.create_image(server_id, name, words)),
        )

    def delete_image(self, image_id: str) -> bool:
        url = f"/v2/images/{image_id}"
        if not self._found(
            "DeleteImageTask", f"delete of image {image_id}", lambda: self._calls.image.delete(url)
        ):
            return True
        return not self._found(
            "GetImageTask", f"look at image {image_id}", lambda: self._calls.image.get(url)
        )

    # -- key pairs ---------------------------------------------------------------------------------

    def create_keypair(self, name: str, public_key: str) -> None:
        keypairs = self._calls.nova.keypairs

        def create() -> None:
            self._do(
                "AddKeypairTask",
                f"create of key pair {name}",
                lambda: keypairs.create(name, public_key),
            )

        try:
            create()
        except ProviderRefused:
            # 409: made by a call whose answer was lost, its private half is nowhere
            self.delete_keypair(name)
            create()

    def delete_keypair(self, name: str) -> None:
        keypairs = self._calls.nova.keypairs
        self._found(
            "DeleteKeypairTask", f"delete of key pair {name}", lambda: keypairs.delete(name)
        )

    # -- floating IPs ------------------------------------------------------------------------------

    def list_addresses(self) -> tuple[FloatingIp, ...]:
        return self._addresses("list of floating IPs").all()

    def attach_address(self, server_id: str, owner: Owner) -> tuple[FloatingIp, str]:
        addresses = self._addresses(f"floating IP for {server_id}")
        return addresses.attach(server_id, owner, self._config.pool)

    def delete_addresses_of(self, server_id: str) -> tuple[str, ...]:
        return self._addresses(f"delete of the floating IPs of {server_id}").delete_of(server_id)

    def delete_address(
        self, floating_ip: str, *, only_unattached: bool = False, or_of: str | None = None
    ) -> None:
        addresses = self._addresses(f"delete of floating IP {floating_ip}")
        addresses.delete(floating_ip, only_unattached=only_unattached, or_of=or_of)

    def _addresses(self, what: str) -> Addresses:
        """Neutron's are asked for wherever there is one, whatever nova has."""
        kind = NeutronAddresses if self._calls.has_network(what) else NovaAddresses
        return kind(self._calls, self._finds)

    # -- all calls ---------------------------------------------------------------------------------

    def _do(self, task: str, what: str, call: Callable[[], T]) -> T:
        return self._calls.do(task, what, call)

    def _found(self, task: str, what: str, call: Callable[[], object]) -> bool:
        """False if the answer is a 404."""
        try:
            self._do(task, what, call)
        except ServerNotFound:
            return False
        return True
