"""Signed places: what swift's FormPost would accept, and how the key gets there."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.support.waiting import eventually
from zuul.config import SwiftConfig
from zuul.drivers.swift.account import log_in
from zuul.drivers.swift.uploads import Signer, SwiftUploads
from zuul.errors import ConnectionLost
from zuul.lib.secret import Secret
from zuul.model.upload import Upload

NOW = 1_480_000_000.7
SIGNER = Signer(Secret("mykey"), "https://storage.example.org/v1/AUTH_account", Upload())


def test_091_five_lines_and_their_signature() -> None:
    signed = SIGNER.sign(
        {"name": "logs", "container": "logs", "expiry": 600}, "45/12345/3/check/unit/becc602", NOW
    )
    path = "/v1/AUTH_account/logs/45/12345/3/check/unit/becc602"
    body = f"{path}\n\n104857600\n10\n1480000600"
    assert signed == {
        "SWIFT_logs_URL": f"https://storage.example.org{path}",
        "SWIFT_logs_HMAC_BODY": body,
        "SWIFT_logs_SIGNATURE": hmac.new(b"mykey", body.encode(), hashlib.sha1).hexdigest(),
    }
    assert len(body.split("\n")) == 5


def test_091_what_a_destination_says_goes_before_the_defaults() -> None:
    defaults = Upload(container="all", max_file_count=7, file_path_prefix="ci")
    signer = Signer(Secret("k"), "http://s/v1/a/", defaults)
    signed = signer.sign(
        {"name": "x", "max_file_size": 5, "logserver_prefix": "http://logs/"}, "periodic/j/1/", NOW
    )
    assert signed["SWIFT_x_URL"] == "http://s/v1/a/all/ci/periodic/j/1/"
    assert signed["SWIFT_x_HMAC_BODY"].split("\n") == [
        "/v1/a/all/ci/periodic/j/1/",
        "",
        "5",
        "7",
        "1480007200",
    ]
    assert signed["SWIFT_x_LOGSERVER_PREFIX"] == "http://logs/"


USER = {"passwordCredentials": {"username": "zuul", "password": "geheim"}}


class Storage(BaseHTTPRequestHandler):
    """Keystone and a storage's account in one."""

    server: Site

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path == "/v2.0/tokens":
            given = json.loads(body)["auth"]
            self._log_in({"tenantName": "ci", **USER}, given, self._second_version())
        elif self.path == "/v3/auth/tokens":
            given = json.loads(body)["auth"]
            domain = {"name": "Default"}
            user = {"name": "zuul", "password": "geheim", "domain": domain}
            wanted = {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": "ci", "domain": domain}},
            }
            self._log_in(wanted, given, self._third_version())
        elif self.headers["X-Auth-Token"] == "t0ken":
            self.server.key = self.headers["X-Account-Meta-Temp-Url-Key"]
            self._answer(204)

    def _second_version(self) -> dict[str, Any]:
        endpoint = {"publicURL": f"{self.server.url}/v1/AUTH_a", "region": "one"}
        catalog = [{"type": "object-store", "endpoints": [endpoint]}]
        token = {"id": "t0ken", "expires": "2100-01-01T00:00:00Z"}
        return {"access": {"token": token, "user": {}, "serviceCatalog": catalog}}

    def _third_version(self) -> dict[str, Any]:
        endpoint = {"interface": "public", "region": "one", "url": f"{self.server.url}/v1/AUTH_a"}
        catalog = [{"type": "object-store", "endpoints": [endpoint]}]
        return {"token": {"expires_at": "2100-01-01T00:00:00Z", "catalog": catalog}}

    def _log_in(self, wanted: object, given: object, token: dict[str, Any]) -> None:
        if self.server.away or given != wanted:
            self.server.refused += 1
            self._answer(401)
        else:
            self._answer(201, json.dumps(token).encode(), **{"X-Subject-Token": "t0ken"})

    def do_HEAD(self) -> None:
        self._answer(204)

    def do_GET(self) -> None:
        """The login of old."""
        if (self.headers["X-Auth-User"], self.headers["X-Auth-Key"]) != ("zuul", "geheim"):
            self._answer(401)
            return
        self._answer(
            200, **{"X-Storage-Url": f"{self.server.url}/v1/AUTH_b", "X-Auth-Token": "t0ken"}
        )

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.server.key:
            self.send_header("X-Account-Meta-Temp-Url-Key", self.server.key)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class Site(HTTPServer):
    key: str | None = None
    away = False
    refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(("127.0.0.1", 0), Storage) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def uploads(site: Site, **more: Any) -> SwiftUploads:
    more.setdefault("authurl", f"{site.url}/v2.0")
    config = SwiftConfig(user="zuul", key=Secret("geheim"), tenant_name="ci", **more)
    return SwiftUploads(
        config if config.needs_login else None,
        key=config.temp_url_key,
        storage_url=config.storage_url,
        send_key=config.send_temp_url_key,
        defaults=Upload(container="logs"),
        pauses=(0.01, 0.05),
    )


def signature(swift: SwiftUploads) -> tuple[str, str]:
    """(URL, key) by which a worker's upload would be let in."""
    swift.start()
    try:
        assert swift.ready.wait(20)
        signed = swift.sign({"name": "x"}, "path", NOW)
    finally:
        swift.stop()
    return signed["SWIFT_x_URL"], signed["SWIFT_x_SIGNATURE"]


def expected(url: str, key: str) -> str:
    signed = Signer(Secret(key), url.removesuffix("/logs/path"), Upload(container="logs"))
    return signed.sign({"name": "x"}, "path", NOW)["SWIFT_x_SIGNATURE"]


def test_the_account_is_told_of_the_key(site: Site) -> None:
    url, signed = signature(uploads(site, temp_url_key=Secret("configured")))
    assert url == f"{site.url}/v1/AUTH_a/logs/path"
    assert site.key == "configured"
    assert signed == expected(url, "configured")


def test_the_account_keeps_its_key_if_none_is_configured(site: Site) -> None:
    url, signed = signature(uploads(site))
    made = site.key
    assert made is not None
    assert len(made) == 20
    assert signed == expected(url, made)
    # after a restart what was signed before is still good
    assert signature(uploads(site)) == (url, signed)


def test_keystones_third_version(site: Site) -> None:
    url, _ = signature(uploads(site, auth_version="3", authurl=f"{site.url}/v3"))
    assert url == f"{site.url}/v1/AUTH_a/logs/path"
    assert site.key is not None


def test_a_user_with_the_tenant_in_front(site: Site) -> None:
    config = SwiftConfig(authurl=f"{site.url}/v2.0", user="ci:zuul", key=Secret("geheim"))
    assert log_in(config).url == f"{site.url}/v1/AUTH_a"


def test_a_catalog_without_a_storage(site: Site) -> None:
    config = SwiftConfig(
        authurl=f"{site.url}/v2.0", user="ci:zuul", key=Secret("geheim"), region_name="two"
    )
    with pytest.raises(ConnectionLost, match="object-store"):
        log_in(config)


def test_the_login_of_old(site: Site) -> None:
    url, _ = signature(uploads(site, auth_version="1.0"))
    assert url == f"{site.url}/v1/AUTH_b/logs/path"


def test_a_token_instead_of_a_login(site: Site) -> None:
    account = f"{site.url}/v1/AUTH_c"
    url, _ = signature(uploads(site, preauthurl=account, preauthtoken=Secret("t0ken")))
    assert url == f"{account}/logs/path"


def test_a_key_that_is_not_to_be_sent(site: Site) -> None:
    url, _ = signature(uploads(site, temp_url_key=Secret("k"), send_temp_url_key=False))
    assert site.key is None
    assert url.startswith(site.url)


def test_without_a_login_if_all_is_known(site: Site) -> None:
    """Quirk 1.2 is fixed: in 2.6 such a configuration gives no parameters."""
    swift = uploads(
        site, temp_url_key=Secret("k"), send_temp_url_key=False, storage_url="http://s/v1/a"
    )
    assert signature(swift)[0] == "http://s/v1/a/logs/path"
    assert site.refused == 0


def test_the_login_is_tried_until_it_works(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.away = True
    swift = uploads(site)
    swift.start()
    try:
        eventually(lambda: site.refused >= 2, "two tries")
        assert swift.sign({"name": "x"}, "path", NOW) == {}
        site.away = False
        assert swift.ready.wait(20)
    finally:
        swift.stop()
    assert "Uploads to swift cannot be signed" in caplog.text
    assert "geheim" not in caplog.text
