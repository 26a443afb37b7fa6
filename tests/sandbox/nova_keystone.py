"""keystone v3, as much as logins need: versions, tokens, the catalogue, application credentials."""

from __future__ import annotations

import secrets
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
        path = "/identity/v3/users/{user}/application_credentials"
        add(app, "credential.create", "POST", path, self.add_credential)

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

    async def add_credential(self, request: web.Request) -> web.Response:
        """One that never ends, with the roles of its user."""
        user = self._gate.tokens.user(request.headers.get("X-Auth-Token", ""))
        assert user is not None
        if request.match_info["user"] != user.id:
            raise ApiError(403, "You are not authorized to perform the requested action.")
        asked = (await json_body(request)).get("application_credential", {})
        if not isinstance(asked.get("name"), str):
            raise bad("'name' is a required property")
        row = {
            "id": new_hex_id(),
            "name": asked["name"],
            "project_id": user.project.id,
            "secret": asked.get("secret") or secrets.token_urlsafe(32),
        }
        user.credentials[row["id"], row["name"]] = row["secret"]
        return web.json_response({"application_credential": row}, status=201)

    def _identified(self, body: dict[str, Any]) -> User:
        auth = body.get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("identity"), dict):
            raise bad("'auth' is a required property")
        identity = auth["identity"]
        if identity.get("methods") == ["application_credential"]:
            return self._of_credential(identity.get("application_credential", {}))
        asked = identity.get("password", {}).get("user", {})
        user = self._user(asked)
        if user is None or asked.get("password") != user.password:
            raise _refused()
        project = auth.get("scope", {}).get("project")
        if project is not None and not self._is_of(user, project):
            raise _refused()
        return user

    def _user(self, asked: dict[str, Any]) -> User | None:
        for user in self._cloud.users.values():
            if asked.get("id", "") == user.id:
                return user
            if asked.get("name", "") == user.name and _is_default(asked.get("domain")):
                return user
        return None

    def _of_credential(self, asked: dict[str, Any]) -> User:
        """By its id alone; or by its name, which needs its user."""
        by_id = "id" in asked
        one = self._user(asked.get("user", {}))
        users = self._cloud.users.values() if by_id else [one] if one else []
        for user in users:
            for (number, name), secret in user.credentials.items():
                is_asked = number == asked["id"] if by_id else name == asked.get("name")
                if is_asked and secret == asked.get("secret"):
                    return user
        raise _refused()

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
            if kind == "network" and not self._cloud.settings.neutron:
                continue
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


def _refused() -> ApiError:
    return ApiError(401, "The request you have made requires authentication.")


def _is_default(domain: Any) -> bool:
    """Ids are as they are, names too: keystone on SQLite minds upper and lower case."""
    if not isinstance(domain, dict):
        return False
    return domain.get("id") == "default" or domain.get("name") == "Default"
