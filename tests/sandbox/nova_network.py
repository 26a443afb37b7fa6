"""neutron, as much as one needs to find a network and to handle floating addresses."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import bad, not_found
from tests.sandbox.nova_gate import USER, Gate, json_body
from tests.sandbox.nova_model import FloatingIp, Network, Server, stamp
from tests.sandbox.nova_rows import Row


class Neutron:
    """One instance a cloud; a server's only port has the server's id."""

    def __init__(self, cloud: Cloud, gate: Gate, url: str) -> None:
        self._cloud = cloud
        self._gate = gate
        self._url = url

    def routes(self, app: web.Application) -> None:
        def add(kind: str, method: str, path: str, do: Any) -> None:
            self._gate.add(app, kind, method, f"/network{path}", do)

        for path in ("", "/"):
            add("versions", "GET", path, self.versions)
        for path in ("/v2.0", "/v2.0/"):
            add("versions", "GET", path, self.resources)
        add("networks.list", "GET", "/v2.0/networks", self.networks)
        add("networks.get", "GET", "/v2.0/networks/{id}", self.network)
        add("ports.list", "GET", "/v2.0/ports", self.ports)
        add("floatingips.list", "GET", "/v2.0/floatingips", self.floating_ips)
        add("floatingips.create", "POST", "/v2.0/floatingips", self.create)
        add("floatingips.get", "GET", "/v2.0/floatingips/{id}", self.get)
        add("floatingips.update", "PUT", "/v2.0/floatingips/{id}", self.update)
        add("floatingips.delete", "DELETE", "/v2.0/floatingips/{id}", self.delete)

    async def versions(self, request: web.Request) -> web.Response:
        links = [{"rel": "self", "href": f"{self._url}/v2.0/"}]
        rows = [{"id": "v2.0", "status": "CURRENT", "links": links}]
        return web.json_response({"versions": rows})

    async def resources(self, request: web.Request) -> web.Response:
        names = ("network", "port", "floatingip")
        rows = [
            {
                "name": name,
                "collection": f"{name}s",
                "links": [{"rel": "self", "href": f"{self._url}/v2.0/{name}s"}],
            }
            for name in names
        ]
        return web.json_response({"resources": rows})

    async def networks(self, request: web.Request) -> web.Response:
        rows = [_network_row(network) for network in self._cloud.networks]
        return web.json_response({"networks": _filtered(rows, request)})

    async def network(self, request: web.Request) -> web.Response:
        for network in self._cloud.networks:
            if network.id == request.match_info["id"]:
                return web.json_response({"network": _network_row(network)})
        raise not_found(f"Network {request.match_info['id']} could not be found.")

    async def ports(self, request: web.Request) -> web.Response:
        servers = self._cloud.of_project(request[USER].project)
        rows = [_port_row(server) for server in servers if server.network is not None]
        return web.json_response({"ports": _filtered(rows, request)})

    # -- floating addresses ------------------------------------------------------------------------

    async def floating_ips(self, request: web.Request) -> web.Response:
        project = request[USER].project
        rows = [
            self._row(floating)
            for floating in self._cloud.floating_ips.values()
            if floating.project_id == project.id
        ]
        return web.json_response({"floatingips": _filtered(rows, request)})

    async def create(self, request: web.Request) -> web.Response:
        asked = (await json_body(request))["floatingip"]
        wanted = asked.get("floating_network_id")
        found = [each for each in self._cloud.networks if each.external and each.id == wanted]
        if not found:
            raise not_found(f"Network {wanted} could not be found.")
        kept = asked.get("description", "") if self._cloud.settings.descriptions else ""
        floating = self._cloud.new_floating_ip(request[USER].project, found[0], kept)
        if asked.get("port_id"):
            self._cloud.attach(floating, self._server(request, asked["port_id"]))
        return web.json_response({"floatingip": self._row(floating)}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response({"floatingip": self._row(self._find(request))})

    async def update(self, request: web.Request) -> web.Response:
        floating = self._find(request)
        port = (await json_body(request))["floatingip"].get("port_id")
        if port is None:
            self._cloud.detach(floating)
        else:
            self._cloud.attach(floating, self._server(request, port))
        return web.json_response({"floatingip": self._row(floating)})

    async def delete(self, request: web.Request) -> web.Response:
        self._cloud.remove_floating_ip(self._find(request))
        return web.Response(status=204)

    def _find(self, request: web.Request) -> FloatingIp:
        name = request.match_info["id"]
        floating = self._cloud.floating_ips.get(name)
        if floating is None or floating.project_id != request[USER].project.id:
            raise not_found(f"Floating IP {name} could not be found")
        return floating

    def _server(self, request: web.Request, port: str) -> Server:
        server = self._cloud.servers.get(port)
        if server is None or server.project is not request[USER].project:
            raise not_found(f"Port {port} could not be found.")
        if server.address is None:
            raise bad(f"Port {port} has no fixed address.")
        return server

    def _row(self, floating: FloatingIp) -> Row:
        server = floating.server
        details = None if server is None else _port_row(server)
        kept = ("admin_state_up", "device_id", "device_owner", "mac_address", "name")
        return {
            "id": floating.id,
            "floating_ip_address": floating.address,
            "fixed_ip_address": server.address if server else None,
            "floating_network_id": floating.network.id,
            "port_id": server.id if server else None,
            "port_details": details and {k: details[k] for k in (*kept, "network_id", "status")},
            "router_id": "sandbox" if server else None,
            "status": "ACTIVE" if server else "DOWN",
            "description": floating.description,
            "tags": [],
            "revision_number": 1,
            "project_id": floating.project_id,
            "tenant_id": floating.project_id,
            "created_at": stamp(floating.created),
            "updated_at": stamp(floating.created),
        }


def _filtered(rows: list[Row], request: web.Request) -> list[Row]:
    for key, value in request.query.items():
        rows = [row for row in rows if key not in row or str(row[key]).lower() == value.lower()]
    return rows


def _network_row(network: Network) -> Row:
    row: Row = {
        "id": network.id,
        "name": network.name,
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": not network.external,
        "router:external": network.external,
        "subnets": [network.subnet_id],
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "mtu": 1500,
        "port_security_enabled": True,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "description": "",
        "qinq": False,
        "vlan_transparent": False,
        "revision_number": 1,
        "tags": [],
        "created_at": stamp(network.created),
        "updated_at": stamp(network.created),
    }
    if network.external:
        row["is_default"] = False
    return row


def _port_row(server: Server) -> Row:
    assert server.network is not None
    subnet = server.network.subnet_id
    return {
        "id": server.id,
        "name": "",
        "device_id": server.id,
        "device_owner": "compute:nova",
        "network_id": server.network.id,
        "mac_address": server.mac,
        "admin_state_up": True,
        "status": "ACTIVE",
        "fixed_ips": [{"ip_address": server.address, "subnet_id": subnet}],
        "project_id": server.project.id,
        "tenant_id": server.project.id,
    }
