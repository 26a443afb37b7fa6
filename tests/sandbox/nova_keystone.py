"""keystone v3, as much as password logins need: versions, tokens, the catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import ApiError, bad
from tests.sandbox.nova_gate import Gate, json_body
from tests.sandbox.nova_model import User, fine_stamp, new_hex_id, now

_DOMAIN = {"id": "default", "name": "Default"}
_SERVICES = {
    "identity": ("keystone", "/v3"),
    "compute": ("nova", "/v2.1"),
    "image": ("glance", ""),
    "network": ("neutron", ""),
}


class Keystone:
    """`url` is that of the whole sandbox, without a slash at the end."""

    def __init__(self, cloud: Cloud, gate: Gate, url: str, region: str) -> None:
        self._cloud = cloud
        self._gate = gate
        self._url = url
        self._region = region
        self._catalog = self._make_catalog()

    def routes(self, app: web.Application) -> None:
        add = self._gate.add
        for path in ("/identity", "/identity/"):
            add(app, "versions", "GET", path, self.versions)
        for path in ("/identity/v3", "/identity/v3/"):
            add(app, "versions", "GET", path, self.version)
        add(app, "token", "POST", "/identity/v3/auth/tokens", self.issue)
        add(app, "token.get", "GET", "/identity/v3/auth/tokens", self.show)
        add(app, "catalog", "GET", "/identity/v3/auth/catalog", self.catalog)
        add(app, "projects", "GET", "/identity/v3/auth/projects", self.projects)

    async def versions(self, request: web.Request) -> web.Response:
        headers = {"Location": f"{self._url}/identity/v3/"}
        body = {"versions": {"values": [self._version()]}}
        return web.json_response(body, status=300, headers=headers)

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self._version()})

    async def issue(self, request: web.Request) -> web.Response:
        user = self._identified(await json_body(request))
        word = self._gate.tokens.issue(user)
        body = {"token": self._token(user)}
        return web.json_response(body, status=201, headers={"X-Subject-Token": word})

    async def show(self, request: web.Request) -> web.Response:
        word = request.headers.get("X-Subject-Token", "")
        user = self._gate.tokens.user(word)
        if user is None:
            raise ApiError(404, "Failed to validate token")
        body = {"token": self._token(user)}
        return web.json_response(body, headers={"X-Subject-Token": word})

    async def catalog(self, request: web.Request) -> web.Response:
        return web.json_response({"catalog": self._catalog, "links": {}})

    async def projects(self, request: web.Request) -> web.Response:
        user = self._gate.tokens.user(request.headers.get("X-Auth-Token", ""))
        assert user is not None
        row = {"id": user.project.id, "name": user.project.name, "domain_id": "default"}
        return web.json_response({"projects": [{**row, "enabled": True}], "links": {}})

    def _identified(self, body: dict[str, Any]) -> User:
        auth = body.get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("identity"), dict):
            raise bad("'auth' is a required property")
        asked = auth["identity"].get("password", {}).get("user", {})
        refused = ApiError(401, "The request you have made requires authentication.")
        user = next(
            (
                u
                for u in self._cloud.users.values()
                if asked.get("name", "") == u.name or asked.get("id", "") == u.id
            ),
            None,
        )
        if user is None or asked.get("password") != user.password:
            raise refused
        if "name" in asked and not _is_default(asked.get("domain")):
            raise refused
        project = auth.get("scope", {}).get("project")
        if project is not None and not self._is_of(user, project):
            raise refused
        return user

    def _is_of(self, user: User, project: dict[str, Any]) -> bool:
        if "id" in project:
            return bool(project["id"] == user.project.id)
        return project.get("name") == user.project.name and _is_default(project.get("domain"))

    def _token(self, user: User) -> dict[str, Any]:
        at = now()
        ends = at + timedelta(seconds=self._gate.tokens.seconds)
        return {
            "methods": ["password"],
            "user": {
                "domain": _DOMAIN,
                "id": user.id,
                "name": user.name,
                "password_expires_at": None,
            },
            "audit_ids": [new_hex_id()[:22]],
            "expires_at": f"{fine_stamp(ends)}Z",
            "issued_at": f"{fine_stamp(at)}Z",
            "project": {"domain": _DOMAIN, "id": user.project.id, "name": user.project.name},
            "is_domain": False,
            "roles": [{"id": "r1", "name": "member"}, {"id": "r2", "name": "reader"}],
            "catalog": self._catalog,
        }

    def _make_catalog(self) -> list[dict[str, Any]]:
        rows = []
        for kind, (name, tail) in _SERVICES.items():
            endpoints = [
                {
                    "id": new_hex_id(),
                    "interface": interface,
                    "region": self._region,
                    "region_id": self._region,
                    "url": f"{self._url}/{kind}{tail}",
                }
                for interface in ("public", "internal", "admin")
            ]
            rows.append({"id": new_hex_id(), "name": name, "type": kind, "endpoints": endpoints})
        return rows

    def _version(self) -> dict[str, Any]:
        media = "application/vnd.openstack.identity-v3+json"
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._url}/identity/v3/"}],
            "media-types": [{"base": "application/json", "type": media}],
        }


def _is_default(domain: Any) -> bool:
    """Ids are as they are, names too: keystone on SQLite minds upper and lower case."""
    if not isinstance(domain, dict):
        return False
    return domain.get("id") == "default" or domain.get("name") == "Default"
