"""A cloud whose keystone speaks version 2 alone, as the public clouds of 2013 did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

import pytest

from nodepool.config.values import CloudConfig, ProviderConfig
from nodepool.drivers.nova import NovaProvider
from tests.support.http_server import CalmServer
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration


class _Handler(BaseHTTPRequestHandler):
    server: OldCloud

    def do_GET(self) -> None:
        if self.path.startswith("/compute/servers/detail"):
            assert self.headers["X-Auth-Token"] == "token"
            self._answer({"servers": [{"id": "s", "status": "ACTIVE"}]})
        elif self.path.rstrip("/") == "/v2.0":
            link = {"rel": "self", "href": f"{self.server.url}/v2.0/"}
            version = {"id": "v2.0", "status": "stable", "links": [link], "media-types": []}
            self._answer({"version": version})
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v2.0/tokens":
            self.send_error(404)
            return
        self.server.logins.append(body["auth"])
        url = f"{self.server.url}/compute"
        compute = {
            "type": "compute",
            "name": "nova",
            "endpoints": [{"region": "R", "publicURL": url}],
        }
        token = {"id": "token", "expires": "2999-01-01T00:00:00Z"}
        self._answer({"access": {"token": token, "user": {}, "serviceCatalog": [compute]}})

    def _answer(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Not of interest."""


class OldCloud(CalmServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        #: what was told at each login
        self.logins: list[dict[str, Any]] = []


@pytest.fixture
def cloud() -> Iterator[OldCloud]:
    with OldCloud() as cloud:
        thread = Thread(target=cloud.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield cloud
        cloud.shutdown()
        thread.join(10)


@pytest.mark.parametrize(
    ("project", "told"),
    [
        ({"project_id": "12345"}, {"tenantId": "12345"}),
        ({"project_name": "p"}, {"tenantName": "p"}),
    ],
)
def test_a_login_of_the_second_version(
    cloud: OldCloud, project: dict[str, str], told: dict[str, str]
) -> None:
    login = CloudConfig(
        auth_url=f"{cloud.url}/v2.0/",
        username="u",
        password=Secret("pw"),
        region_name="R",
        rate=0.0,
        api_timeout=10.0,
        **project,
    )
    provider = NovaProvider(ProviderConfig("old", login, 1))
    try:
        assert [server.id for server in provider.list_servers()] == ["s"]
    finally:
        provider.close()
    assert cloud.logins == [{"passwordCredentials": {"username": "u", "password": "pw"}, **told}]
