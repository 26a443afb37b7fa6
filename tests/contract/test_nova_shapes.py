"""One story told to the sandbox cloud and to a real OpenStack: what both answer must be the same.

Compared are status codes and whole bodies, with only that replaced which must differ: ids, times,
addresses, URLs, keys. Error bodies are compared to the letter.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.nova_site import PUBLIC_KEY, NovaSite, wait_for

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

#: versions where something of a server, flavor, key pair or limit changes
VERSIONS = (
    *("2.1", "2.2", "2.3", "2.9", "2.19", "2.26", "2.35", "2.36", "2.39", "2.43", "2.45", "2.47"),
    *("2.55", "2.57", "2.61", "2.63", "2.67", "2.71", "2.73", "2.75", "2.90", "2.93", "2.96"),
    *("2.98", "2.100", "2.101", "2.102", "2.103", "2.104"),
)
NO_SUCH = "11111111-1111-1111-1111-111111111111"
_REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b[0-9a-f]{128}\b"), "SHA512"),
    (re.compile(r"\b[0-9a-f]{56}\b"), "HOST"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"), "FINE-TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"fa:16:3e(:[0-9a-f]{2}){3}"), "MAC"),
    (re.compile(r"\b127\.[12]0\.\d+\.\d+"), "ADDRESS"),
    (re.compile(r"([0-9a-f]{2}:){15}[0-9a-f]{2}"), "FINGERPRINT"),
    (re.compile(r"ssh-rsa \S+"), "RSA"),
    (re.compile(r"-----BEGIN RSA PRIVATE KEY-----.*", re.DOTALL), "PRIVATE"),
    (re.compile(r"ssh-ed25519 \S+"), "ED25519"),
)
#: what a row says that is a secret, a size or a count of its own
_VALUES = {"adminPass", "size", "OS-EXT-IMG-SIZE:size", "virtual_size", "revision_number"}


class Story:
    """Everything that was answered, by what was asked."""

    def __init__(self, site: NovaSite) -> None:
        self.site = site
        self.answers: dict[str, Any] = {}
        self.servers: dict[str, str] = {}
        endpoint = site.session.get_endpoint
        compute = str(endpoint(service_type="compute")).removesuffix("/v2.1")
        self._urls = {compute: "COMPUTE", str(endpoint(service_type="image")): "IMAGE"}

    def ask(self, title: str, method: str, path: str, version: str = "2.1", **more: Any) -> Any:
        """Ask and note; the path may name what the story made, as {first}."""
        answer = self.site.ask(method, path, version=version, **more)
        body = answer.text
        if "json" in answer.headers.get("Content-Type", ""):
            body = json.loads(body) if body else None
        else:
            body = "(a page)" if body else None
        told = {"status": answer.status_code, "body": self.plain(body)}
        if "Location" in answer.headers:
            told["location"] = self.plain(answer.headers["Location"])
        self.answers[f"{title}: {method} {self.plain(path)} {version}"] = told
        return answer

    def plain(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items()}
        if isinstance(value, list):
            rows = [self.plain(item, key) for item in value]
            # These come in the order of their ids, which are random.
            by_name = key in ("flavors", "networks")
            return (
                sorted(rows, key=lambda row: row.get("name") or row["label"]) if by_name else rows
            )
        if key in _VALUES or (key == "id" and isinstance(value, int)):
            return type(value).__name__
        if not isinstance(value, str):
            return value
        if key == "boot_roles":
            return ",".join(sorted(value.split(",")))
        for url, word in self._urls.items():
            value = value.replace(url, word)
        for pattern, word in _REPLACED:
            value = pattern.sub(word, value)
        return value

    # -- the story -------------------------------------------------------------------------------

    def tell(self) -> None:
        # Servers that are gone are listed too: those of others before this story are left out.
        time.sleep(1.1)
        self._began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._look_around()
        self._make_keypairs()
        self._make_servers()
        self._list_servers()
        self._change_metadata()
        self._take_snapshots()
        self._use_floating_ips()
        self._handle_images()
        self._err()
        self._fill_the_quota()
        self._delete()

    def _look_around(self) -> None:
        flavor, image = self.site.flavor.id, self.site.image.id
        for version in VERSIONS:
            self.ask("flavors", "GET", "/flavors/detail", version)
            self.ask("flavor", "GET", f"/flavors/{flavor}", version)
            self.ask("limits", "GET", "/limits", version)
        self.ask("version", "GET", "")
        self.ask("flavors", "GET", "/flavors")
        self.ask("flavor", "GET", "/flavors/nope")
        self.ask("zones", "GET", "/os-availability-zone")
        self.ask("extension", "GET", "/extensions/nope")
        self.ask("versions", "GET", "/servers", "2.9999")
        self.ask("versions", "GET", "/servers", "x")
        for path in ("/images", "/images/detail", f"/images/{image}", f"/images/{NO_SUCH}"):
            self.ask("images", "GET", path)
            self.ask("images", "GET", path, "2.36")
        for path in ("/os-networks", "/os-tenant-networks", "/os-floating-ip-pools"):
            self.ask("networks", "GET", path)
            self.ask("networks", "GET", path, "2.36")
        for path in ("/v2/images", f"/v2/images/{image}", f"/v2/images/{NO_SUCH}"):
            self.ask("glance", "GET", path, service="image")
        for path in ("/v2.0/networks", "/v2.0/networks?name=private"):
            self.ask("neutron", "GET", path, service="network")

    def _make_keypairs(self) -> None:
        for version in ("2.1", "2.2", "2.67", "2.93"):
            for words in ({"public_key": PUBLIC_KEY}, {}, {"public_key": "xxx"}):
                row = {"name": f"key {version[2:]} {len(words)}", **words}
                path = "/os-keypairs"
                if words or version != "2.93":
                    self.ask(str(words)[:20], "POST", path, version, json={"keypair": row})
            self.ask("keys", "GET", "/os-keypairs", version)
            self.ask("keys", "GET", f"/os-keypairs/key {version[2:]} 1", version)
            self.ask("keys", "DELETE", f"/os-keypairs/key {version[2:]} 1", version)
            self.ask("keys", "DELETE", f"/os-keypairs/key {version[2:]} 1", version)
        again = {"keypair": {"name": "key 1 0", "public_key": PUBLIC_KEY}}
        self.ask("key twice", "POST", "/os-keypairs", json=again)
        for name in ("a.dot", "an@at", "a/slash", "a_line", ""):
            row = {"name": name, "public_key": PUBLIC_KEY}
            for version in ("2.67", "2.93"):
                self.ask(f"key {name!r}", "POST", "/os-keypairs", version, json={"keypair": row})
        self.ask("keys", "GET", "/os-keypairs")
        self.ask("key", "POST", "/os-keypairs", json={"keypair": {**again["keypair"], "name": "k"}})

    def create(self, title: str, version: str = "2.1", **words: Any) -> Any:
        row: dict[str, Any] = {
            "name": title,
            "imageRef": self.site.image.id,
            "flavorRef": self.site.flavor.id,
            **words,
        }
        answer = self.ask(title, "POST", "/servers", version, json={"server": row})
        if answer.status_code == 202 and "server" in answer.json():
            self.servers[title] = answer.json()["server"]["id"]
        return answer

    def _make_servers(self) -> None:
        data = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()
        metadata = {"groups": '["p", "i"]', "nodepool": '{"node_id": 1}'}
        words = {"key_name": "k", "metadata": metadata, "config_drive": True}
        self.create("first", **words, user_data=data, availability_zone="nova")
        self.site.settled(self.servers["first"])
        self.create("second", "2.67", networks="auto", description="words")
        self.site.settled(self.servers["second"])
        for version in VERSIONS:
            self.ask("server", "GET", f"/servers/{self.servers['first']}", version)
            self.ask("servers", "GET", "/servers/detail", version)
        self.ask("second", "GET", f"/servers/{self.servers['second']}", "2.67")
        self.ask("ips", "GET", f"/servers/{self.servers['first']}/ips")

    def _list_servers(self) -> None:
        first, flavor = self.servers["first"], self.site.flavor.id
        queries = (
            *("", "limit=1", "limit=2", "limit=0", f"limit=1&marker={self.servers['second']}"),
            *(f"marker={first}", "marker=nope", "limit=-1", "limit=x", "name=fir", "name=^second$"),
            *("name=(", "status=ACTIVE", "status=active", "status=ERROR", "status=bogus"),
            *("changes-since=2030-01-01T00:00:00Z", f"changes-since={self._began}"),
            *("changes-since=bogus", 'metadata={"nodepool":"x"}', "foo=bar", "all_tenants=1"),
            *(f"image={self.site.image.id}", f"image={NO_SUCH}", f"flavor={flavor}"),
            *("ip=127.10", "ip=9.9.9.9", "sort_key=display_name&sort_dir=asc"),
        )
        for query in queries:
            self.ask("list", "GET", f"/servers?{query}" if query else "/servers")
        self.ask("list", "GET", "/servers/detail?limit=1")

    def _change_metadata(self) -> None:
        path = f"/servers/{self.servers['first']}/metadata"
        self.ask("meta", "GET", path)
        self.ask("meta", "PUT", f"{path}/x", json={"meta": {"x": "y"}})
        self.ask("meta", "POST", path, json={"metadata": {"a": "b"}})
        self.ask("meta", "GET", f"{path}?")
        self.ask("meta", "DELETE", f"{path}/x")
        self.ask("meta again", "DELETE", f"{path}/x")
        self.ask("too long", "POST", path, json={"metadata": {"a": "b" * 256}})
        self.ask("too many", "POST", path, json={"metadata": {f"k{n}": "v" for n in range(200)}})
        self.ask("all new", "PUT", path, json={"metadata": {"only": "b"}})
        path = path.removesuffix("/metadata")
        self.ask("rename", "PUT", path, json={"server": {"name": "renamed"}})

    def act(self, title: str, name: str, words: Any, version: str = "2.1") -> Any:
        path = f"/servers/{self.servers['first']}/action"
        return self.ask(title, "POST", path, version, json={name: words})

    def _take_snapshots(self) -> None:
        path = f"/servers/{self.servers['first']}"
        self.act("no such", "bogus", {})
        self.ask("empty", "POST", f"{path}/action", json={})
        self.act("stop", "os-stop", None)
        self.site.settled(self.servers["first"])
        self.ask("stopped", "GET", path)
        self.act("stop again", "os-stop", None)
        self.act("start", "os-start", None)
        self.site.settled(self.servers["first"])
        for version in ("2.1", "2.45"):
            words = {"name": f"snap-{version}", "metadata": {"image_type": "snapshot", "k": "v"}}
            answer = self.act("snapshot", "createImage", words, version)
            where = answer.headers.get("Location") or answer.json()["image_id"]
            image = where.rsplit("/", 1)[-1]
            wait_for(lambda i=image: self.site.nova().glance.find_image(i).status == "active")
            self.site.settled(self.servers["first"])
            self.ask(f"snapshot {version}", "GET", f"/images/{image}")
            self.ask(f"snapshot {version}", "GET", f"/v2/images/{image}", service="image")
        self.ask("images", "GET", "/images/detail?status=ACTIVE&name=snap-2.1")
        self.ask("gone", "DELETE", f"/images/{image}")
        self.ask("gone twice", "DELETE", f"/images/{image}")
        self.ask("not mine", "DELETE", f"/images/{self.site.image.id}")

    def _use_floating_ips(self) -> None:
        path = "/os-floating-ips"
        self.ask("pool", "POST", path, json={"pool": "nope"})
        row = self.ask("new", "POST", path, json={"pool": "public"}).json()["floating_ip"]
        self.ask("new", "GET", f"{path}/{row['id']}")
        self.act("unknown", "addFloatingIp", {"address": "1.2.3.4"})
        self.act("add", "addFloatingIp", {"address": row["ip"]})
        self.act("too late", "addFloatingIp", {"address": row["ip"]}, "2.67")
        self.ask("with", "GET", f"/servers/{self.servers['first']}")
        self.ask("with", "GET", path)
        self.act("remove", "removeFloatingIp", {"address": row["ip"]})
        self.ask("delete", "DELETE", f"{path}/{row['id']}")
        self.ask("delete twice", "DELETE", f"{path}/{row['id']}")
        self.ask("none", "GET", path)

    def _handle_images(self) -> None:
        words = {"name": "up", "disk_format": "raw", "container_format": "bare", "made_by": "us"}
        new = self.ask("new", "POST", "/v2/images", service="image", json=words).json()
        path = f"/v2/images/{new['id']}"
        self.ask("queued", "GET", f"/images/{new['id']}")
        self.create("of a queued image", imageRef=new["id"])
        binary = {"Content-Type": "application/octet-stream"}
        self.ask("up", "PUT", f"{path}/file", service="image", data=b"disk", headers=binary)
        wait_for(lambda: self.site.nova().glance.find_image(new["id"]).status == "active")
        self.ask("active", "GET", path, service="image")
        self.ask("twice", "PUT", f"{path}/file", service="image", data=b"disk", headers=binary)
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        change = json.dumps([{"op": "add", "path": "/colour", "value": "blue"}])
        self.ask("patch", "PATCH", path, service="image", data=change, headers=patch)
        for query in ("name=up", "status=active&limit=1", "image_type=snapshot", "colour=blue"):
            self.ask("list", "GET", f"/v2/images?{query}", service="image")
        self.ask("delete", "DELETE", path, service="image")
        self.ask("delete twice", "DELETE", path, service="image")

    def _err(self) -> None:
        self.create("no image", imageRef=NO_SUCH)
        self.create("no flavor", flavorRef="99")
        self.create("no key", key_name="nope")
        self.create("no zone", availability_zone="nope")
        self.create("no net", networks=[{"uuid": NO_SUCH}])
        self.create("nets needed", "2.67")
        self.create("unknown word", bogus=1)
        self.create("")
        self.create("x" * 300)
        self.create("long value", metadata={"k": "v" * 300})
        self.create("many values", metadata={f"k{n}": "v" for n in range(200)})
        self.create("bad data", user_data="not base64!")
        self.create("too many at once", min_count=50, max_count=50)
        json_type = {"Content-Type": "application/json"}
        self.ask("no json", "POST", "/servers", data="{bad", headers=json_type)
        for method, path in (
            *(("GET", "/servers/nope"), ("GET", f"/servers/{NO_SUCH}")),
            *(("DELETE", f"/servers/{NO_SUCH}"), ("GET", "/nope")),
        ):
            self.ask("wrong", method, path)

    def _fill_the_quota(self) -> None:
        self.create("many", min_count=2, max_count=2)
        wait_for(lambda: len(self.site.nova().servers.list(search_opts={"status": "ACTIVE"})) == 4)
        self.ask("many", "GET", "/servers?name=many&sort_key=display_name&sort_dir=asc")
        for number in (5, 6):
            self.create(f"number {number}")
            self.site.settled(self.servers[f"number {number}"])
        self.create("one too many")
        self.ask("full", "GET", "/limits")

    def _delete(self) -> None:
        path = f"/servers/{self.servers['second']}"
        self.ask("delete", "DELETE", path)
        wait_for(lambda: self.site.ask("GET", path).status_code == 404)
        self.ask("gone", "GET", path)
        self.ask("gone", "DELETE", path)
        self.ask("gone", "POST", f"{path}/action", json={"createImage": {"name": "late"}})
        self.ask("gone", "GET", f"/servers?changes-since={self._began}&name=second")
        time.sleep(1.1)


@pytest.fixture(scope="module")
def told(sandbox_nova: NovaSite, real_nova: NovaSite) -> Iterator[tuple[Story, Story]]:
    stories = Story(sandbox_nova), Story(real_nova)
    try:
        for story in stories:
            story.site.clear()
            story.tell()
        yield stories
    finally:
        for story in stories:
            story.site.clear()


def test_answers_are_the_same(told: tuple[Story, Story]) -> None:
    ours, theirs = (story.answers for story in told)
    assert list(ours) == list(theirs)
    wrong = [line for name in theirs for line in differences(ours[name], theirs[name], name)]
    assert not wrong, "\n".join(wrong)


def differences(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """One line for each place where the sandbox says something else than the real one."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            one, other = ours.get(key, "(nothing)"), theirs.get(key, "(nothing)")
            yield from differences(one, other, f"{path} .{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: sandbox {ours!r}, real {theirs!r}"
