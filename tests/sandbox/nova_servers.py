"""nova's servers: create, list, look, change, act on, delete."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.sandbox.nova_actions import Actions
from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import ApiError, bad, not_found
from tests.sandbox.nova_gate import USER, VERSION, Gate, json_body
from tests.sandbox.nova_model import Flavor, Image, Network, Server, User, new_id
from tests.sandbox.nova_rows import Rows, Version
from tests.sandbox.nova_words import (
    check_metadata,
    read_base64,
    read_limit,
    read_moment,
    read_pattern,
)

#: what a create may have beside the metadata and the like that are looked at
_KNOWN = frozenset(
    (
        *("name", "imageRef", "flavorRef", "min_count", "max_count", "metadata", "key_name"),
        *("config_drive", "user_data", "networks", "availability_zone", "security_groups"),
        *("return_reservation_id", "personality", "adminPass", "OS-DCF:diskConfig", "accessIPv4"),
        *("accessIPv6", "block_device_mapping", "block_device_mapping_v2", "description"),
        *("tags", "trusted_image_certificates", "host", "hypervisor_hostname", "hostname"),
    )
)


class Servers:
    """One instance a cloud."""

    def __init__(self, cloud: Cloud, gate: Gate, rows: Rows) -> None:
        self._cloud = cloud
        self._gate = gate
        self._rows = rows

    def routes(self, app: web.Application) -> None:
        def add(kind: str, method: str, path: str, do: Any) -> None:
            self._gate.add(app, f"servers.{kind}", method, f"/compute/v2.1/servers{path}", do)

        add("create", "POST", "", self.create)
        add("list", "GET", "", self.brief_list)
        add("list", "GET", "/detail", self.full_list)
        add("get", "GET", "/{id}", self.get)
        add("update", "PUT", "/{id}", self.update)
        add("delete", "DELETE", "/{id}", self.delete)
        add("ips", "GET", "/{id}/ips", self.ips)
        add("metadata", "GET", "/{id}/metadata", self.metadata)
        add("metadata.set", "POST", "/{id}/metadata", self.add_metadata)
        add("metadata.set", "PUT", "/{id}/metadata", self.replace_metadata)
        add("metadata.set", "PUT", "/{id}/metadata/{key}", self.set_metadatum)
        add("metadata.delete", "DELETE", "/{id}/metadata/{key}", self.delete_metadatum)
        actions = Actions(self._cloud, self._rows, self.find)
        add("action", "POST", "/{id}/action", actions.act)

    def find(self, request: web.Request) -> Server:
        """The server of the path, if it is the user's project's."""
        name = request.match_info["id"]
        server = self._cloud.servers.get(name)
        if server is None or server.project is not request[USER].project:
            raise not_found(f"Instance {name} could not be found.")
        return server

    # -- create ----------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if not isinstance(body.get("server"), dict):
            raise bad("'server' is a required property")
        asked, user, version = body["server"], request[USER], request[VERSION]
        self._check(asked, version)
        image, flavor = self._image(asked, user), self._flavor(asked)
        network = self._network(asked)
        key = None
        if asked.get("key_name") is not None:
            key = user.keypairs.get(asked["key_name"])
            if key is None:
                raise bad("Invalid key_name provided.")
        zone = asked.get("availability_zone")
        if zone is not None and zone not in self._cloud.settings.zones:
            raise bad("The requested availability zone is not available")
        count = int(asked.get("min_count", 1))
        over = self._over_quota(user, flavor, max(count, int(asked.get("max_count", count))))
        made = []
        for number in range(count):
            name = asked["name"] if count == 1 else f"{asked['name']}-{number + 1}"
            made.append(self._make(name, asked, user, image, flavor, network, version))
            made[-1].key, made[-1].key_name = key, asked.get("key_name")
            self._cloud.lives.admit(made[-1], over_quota=over)
        if asked.get("return_reservation_id"):
            return web.json_response({"reservation_id": "r-sandbox"}, status=202)
        row = self._rows.created_server(made[0])
        headers = {"Location": row["links"][0]["href"]}
        return web.json_response({"server": row}, status=202, headers=headers)

    def _over_quota(self, user: User, flavor: Flavor, count: int) -> bool:
        try:
            self._cloud.check_quota(user.project, flavor, count)
        except ApiError:
            if not self._cloud.faults.late_quota:
                raise
            return True
        return False

    def _make(
        self,
        name: str,
        asked: dict[str, Any],
        user: User,
        image: Image,
        flavor: Flavor,
        network: Network | None,
        version: Version,
    ) -> Server:
        server_id = new_id()
        return Server(
            name=name,
            project=user.project,
            user=user,
            image=image,
            flavor=flavor,
            network=network,
            folder=self._cloud.folder / "servers" / server_id,
            trouble=self._cloud.faults.take_boot(name),
            metadata=dict(asked.get("metadata") or {}),
            zone=asked.get("availability_zone") or self._cloud.settings.zones[0],
            pinned_zone=asked.get("availability_zone"),
            config_drive=str(asked.get("config_drive") or "").lower() in ("true", "1"),
            user_data=read_base64(asked.get("user_data") or ""),
            description=asked.get("description", None if version >= (2, 19) else name),
            id=server_id,
        )

    def _check(self, asked: dict[str, Any], version: Version) -> None:
        whole = f"Invalid input for field/attribute server. Value: {asked}. "
        for name in ("name", "flavorRef", *(("networks",) if version >= (2, 37) else ())):
            if name not in asked:
                raise bad(whole + f"'{name}' is a required property")
        for name in asked:
            if name not in _KNOWN:
                text = f"Additional properties are not allowed ('{name}' was unexpected)"
                raise bad(whole + text)
        name = asked["name"]
        invalid = f"Invalid input for field/attribute name. Value: {name}. "
        if not isinstance(name, str) or len(name) > 255:
            raise bad(invalid + f"'{name}' is too long")
        if not name:
            raise bad(invalid + "'' should be non-empty")
        check_metadata(asked.get("metadata") or {})

    def _image(self, asked: dict[str, Any], user: User) -> Image:
        image = self._cloud.images.get(str(asked.get("imageRef", "")).rsplit("/", 1)[-1])
        if image is None or image not in self._cloud.visible_images(user.project):
            raise bad("Can not find requested image")
        if image.status != "active":
            raise bad(f"Image {image.id} is not active.")
        return image

    def _flavor(self, asked: dict[str, Any]) -> Flavor:
        name = str(asked["flavorRef"]).rsplit("/", 1)[-1]
        for flavor in self._cloud.flavors:
            if flavor.id == name:
                return flavor
        raise bad(f"Flavor {name} could not be found.")

    def _network(self, asked: dict[str, Any]) -> Network | None:
        wanted = asked.get("networks", "auto")
        own = [network for network in self._cloud.networks if not network.external]
        if wanted == "none":
            return None
        if wanted == "auto" or not wanted:
            return own[0] if own else None
        name = wanted[0].get("uuid")
        for network in own:
            if network.id == name:
                return network
        raise bad(f"Network {name} could not be found.")

    # -- lists -----------------------------------------------------------------------------------

    async def brief_list(self, request: web.Request) -> web.Response:
        servers, more = self._selected(request)
        rows = [self._rows.brief_server(server) for server in servers]
        return self._page(request, "servers", json.dumps(rows), servers, more)

    async def full_list(self, request: web.Request) -> web.Response:
        servers, more = self._selected(request)
        version = request[VERSION]
        rows = [self._rows.server_text(server, version, in_list=True) for server in servers]
        return self._page(request, "servers/detail", f"[{', '.join(rows)}]", servers, more)

    def _page(
        self, request: web.Request, name: str, rows: str, servers: list[Server], more: bool
    ) -> web.Response:
        text = f'{{"servers": {rows}'
        if more:
            query = {**request.query, "marker": servers[-1].id}
            link = self._rows.next_link(name, urlencode(sorted(query.items())))
            text += f', "servers_links": {json.dumps([link])}'
        return web.Response(text=text + "}", content_type="application/json")

    def _selected(self, request: web.Request) -> tuple[list[Server], bool]:
        """The servers of a page, newest first, and whether there may be more."""
        query, project = request.query, request[USER].project
        if query.get("all_tenants", "0") not in ("0", "False", "false"):
            rule = "os_compute_api:servers:index:get_all_tenants"
            raise ApiError(403, f"Policy doesn't allow {rule} to be performed.")
        limit = read_limit(query.get("limit"))
        rows = self._cloud.of_project(project)[::-1]
        if "changes-since" in query:
            rows += [s for s in reversed(self._cloud.gone.values()) if s.project is project]
        rows = [server for server in rows if self._fits(server, query)]
        if query.get("sort_key") == "display_name":
            rows.sort(key=lambda s: s.name, reverse=query.get("sort_dir", "desc") == "desc")
        marker = query.get("marker")
        if marker is not None:
            at = next((n for n, s in enumerate(rows) if s.id == marker), None)
            if at is None:
                raise bad(f"marker [{marker}] not found")
            rows = rows[at + 1 :]
        return rows[:limit], len(rows) >= limit > 0

    def _fits(self, server: Server, query: Any) -> bool:
        """As nova's filters for those who are no administrators: others are passed over."""
        if "name" in query and not read_pattern("name", query["name"]).search(server.name):
            return False
        if "status" in query and server.status != query["status"].upper():
            return False
        if "image" in query and server.image.id != query["image"].rsplit("/", 1)[-1]:
            return False
        if "flavor" in query and server.flavor.id != query["flavor"].rsplit("/", 1)[-1]:
            return False
        if "ip" in query and not read_pattern("ip", query["ip"]).search(server.address or ""):
            return False
        if "changes-since" in query:
            return server.updated.replace(microsecond=0) >= read_moment(query["changes-since"])
        return True

    # -- one server --------------------------------------------------------------------------------

    async def get(self, request: web.Request) -> web.Response:
        server = self.find(request)
        text = self._rows.server_text(server, request[VERSION], in_list=False)
        return web.Response(text=f'{{"server": {text}}}', content_type="application/json")

    async def update(self, request: web.Request) -> web.Response:
        server = self.find(request)
        asked = (await json_body(request)).get("server", {})
        server.name = str(asked.get("name", server.name))
        server.touch()
        row = self._rows.changed_server(server, request[VERSION])
        return web.json_response({"server": row})

    async def delete(self, request: web.Request) -> web.Response:
        self._cloud.lives.delete(self.find(request))
        return web.Response(status=204)

    async def ips(self, request: web.Request) -> web.Response:
        return web.json_response({"addresses": self._rows.addresses(self.find(request))})

    # -- metadata ----------------------------------------------------------------------------------

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response({"metadata": self.find(request).metadata})

    async def add_metadata(self, request: web.Request) -> web.Response:
        server = self.find(request)
        return self._store(server, {**server.metadata, **await _metadata_of(request)})

    async def replace_metadata(self, request: web.Request) -> web.Response:
        return self._store(self.find(request), await _metadata_of(request))

    async def set_metadatum(self, request: web.Request) -> web.Response:
        server = self.find(request)
        meta = (await json_body(request))["meta"]
        self._store(server, {**server.metadata, **meta})
        return web.json_response({"meta": meta})

    async def delete_metadatum(self, request: web.Request) -> web.Response:
        server, key = self.find(request), request.match_info["key"]
        if key not in server.metadata:
            raise not_found("Metadata item was not found")
        self._store(server, {k: v for k, v in server.metadata.items() if k != key})
        return web.Response(status=204)

    def _store(self, server: Server, metadata: dict[str, str]) -> web.Response:
        check_metadata(metadata)
        server.metadata = metadata
        server.touch()
        return web.json_response({"metadata": metadata})


async def _metadata_of(request: web.Request) -> dict[str, str]:
    metadata = (await json_body(request)).get("metadata")
    if not isinstance(metadata, dict):
        raise bad("'metadata' is a required property")
    return metadata
