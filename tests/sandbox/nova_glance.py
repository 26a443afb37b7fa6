"""glance v2: images, their data and their properties."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import ApiError, bad, not_found
from tests.sandbox.nova_gate import USER, Gate, json_body
from tests.sandbox.nova_model import Image, new_id, now
from tests.sandbox.nova_rows import Row, Rows

_DEFAULT_PAGE = 25
_MOST_A_PAGE = 1000
#: what of an image may be given beside its properties
_OWN = ("name", "visibility", "disk_format", "container_format", "min_disk", "min_ram")
_READ_ONLY = ("status", "owner", "size", "checksum", "created_at", "updated_at", "file", "self")


class Glance:
    """One instance a cloud; `url` is its own, without a slash at the end."""

    def __init__(self, cloud: Cloud, gate: Gate, rows: Rows, url: str) -> None:
        self._cloud = cloud
        self._gate = gate
        self._rows = rows
        self._url = url

    def routes(self, app: web.Application) -> None:
        def add(kind: str, method: str, path: str, do: Any) -> None:
            self._gate.add(app, kind, method, f"/image{path}", do)

        for path in ("", "/", "/versions"):
            add("versions", "GET", path, self.versions)
        add("images.list", "GET", "/v2/images", self.images)
        add("images.create", "POST", "/v2/images", self.create)
        add("images.get", "GET", "/v2/images/{id}", self.get)
        add("images.update", "PATCH", "/v2/images/{id}", self.update)
        add("images.delete", "DELETE", "/v2/images/{id}", self.delete)
        add("images.upload", "PUT", "/v2/images/{id}/file", self.upload)

    async def versions(self, request: web.Request) -> web.Response:
        links = [{"rel": "self", "href": f"{self._url}/v2/"}]
        rows = [{"id": "v2.17", "status": "CURRENT", "links": links}]
        rows += [
            {"id": f"v2.{minor}", "status": "SUPPORTED", "links": links}
            for minor in range(15, -1, -1)
        ]
        return web.json_response({"versions": rows}, status=300)

    async def images(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        limit = min(int(query.get("limit", _DEFAULT_PAGE)), _MOST_A_PAGE)
        marker = query.get("marker")
        rows = [self._rows.glance_image(image) for image in self._visible(request)]
        filters = {
            key: value
            for key, value in query.items()
            if key not in ("limit", "marker", "sort", "sort_key", "sort_dir", "member_status")
        }
        for key, value in filters.items():
            rows = [row for row in rows if _matches(row, key, value)]
        if marker is not None:
            ids = [row["id"] for row in rows]
            if marker not in ids:
                raise bad("Invalid marker. Image could not be found.")
            rows = rows[ids.index(marker) + 1 :]
        tail = f"?{urlencode(request.query)}" if request.query else ""
        body: Row = {"images": rows[:limit], "first": f"/v2/images{tail}"}
        body["schema"] = "/v2/schemas/images"
        if len(rows) > limit > 0:
            more = urlencode({**request.query, "marker": rows[limit - 1]["id"]})
            body["next"] = f"/v2/images?{more}"
        return web.json_response(body)

    async def create(self, request: web.Request) -> web.Response:
        asked = await json_body(request)
        for key in asked:
            if key in _READ_ONLY:
                raise ApiError(403, f"Attribute '{key}' is read-only.")
        image = Image(
            str(asked.get("name") or ""),
            request[USER].project.id,
            folder=self._cloud.folder / "images" / new_id(),
            status="queued",
            visibility=asked.get("visibility", "shared"),
            disk_format=asked.get("disk_format"),
            container_format=asked.get("container_format"),
            min_disk=int(asked.get("min_disk", 0)),
            min_ram=int(asked.get("min_ram", 0)),
            properties={k: str(v) for k, v in asked.items() if k not in (*_OWN, "id", "tags")},
        )
        if "id" in asked:
            image.id = str(asked["id"])
        self._cloud.images[image.id] = image
        headers = {"Location": f"{self._url}/v2/images/{image.id}"}
        row = self._rows.glance_image(image)
        return web.json_response(row, status=201, headers=headers)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._rows.glance_image(self._find(request)))

    async def update(self, request: web.Request) -> web.Response:
        image = self._own(request)
        for change in await request.json():
            key = change["path"].lstrip("/")
            if key in _READ_ONLY:
                raise ApiError(403, f"Attribute '{key}' is read-only.")
            if change["op"] == "remove":
                image.properties.pop(key, None)
            elif key in _OWN:
                setattr(image, key, change["value"])
            else:
                image.properties[key] = str(change["value"])
        image.updated = now()
        return web.json_response(self._rows.glance_image(image))

    async def delete(self, request: web.Request) -> web.Response:
        self._cloud.remove_image(self._own(request))
        return web.Response(status=204)

    async def upload(self, request: web.Request) -> web.Response:
        """A tar archive becomes the files of servers made of the image; anything else is none."""
        image = self._own(request)
        if image.status != "queued":
            raise ApiError(409, f"Image status transition from {image.status} is not allowed")
        md5, sha512, size, kept = hashlib.md5(), hashlib.sha512(), 0, io.BytesIO()
        image.status = "saving"
        async for data in request.content.iter_chunked(1 << 20):
            md5.update(data)
            sha512.update(data)
            size += len(data)
            if size <= 64 << 20:
                kept.write(data)
        image.size, image.checksum, image.sha512 = size, md5.hexdigest(), sha512.hexdigest()
        await asyncio.to_thread(_unpack, kept, image)
        self._cloud.lives.spawn(self._finish(image))
        return web.Response(status=204)

    async def _finish(self, image: Image) -> None:
        lives = self._cloud.lives
        await asyncio.sleep(lives.draw(lives.times.upload))
        image.status, image.updated = "active", now()

    def _visible(self, request: web.Request) -> list[Image]:
        return self._cloud.visible_images(request[USER].project)

    def _find(self, request: web.Request) -> Image:
        name = request.match_info["id"]
        for image in self._visible(request):
            if image.id == name:
                return image
        raise not_found(f"No image found with ID {name}")

    def _own(self, request: web.Request) -> Image:
        image = self._find(request)
        if image.project_id != request[USER].project.id:
            raise ApiError(403, f"You are not permitted to change image {image.id}.")
        return image


def _matches(row: Row, key: str, value: str) -> bool:
    if key in ("name", "status", "id") and value.startswith("in:"):
        return str(row.get(key)) in value[3:].split(",")
    return str(row.get(key)) == value


def _unpack(data: io.BytesIO, image: Image) -> None:
    image.folder.mkdir(parents=True, exist_ok=True)
    data.seek(0)
    try:
        with tarfile.open(fileobj=data) as archive:
            archive.extractall(image.folder, filter="tar")
    except tarfile.TarError:
        # A disk image of another kind has nothing that the sandbox could use.
        return
