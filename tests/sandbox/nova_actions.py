"""What one may do to a server: POST /servers/ID/action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import ApiError, bad, not_found
from tests.sandbox.nova_gate import USER, VERSION, json_body, until
from tests.sandbox.nova_model import Image, Server, new_id
from tests.sandbox.nova_rows import Rows

#: the last microversion with addFloatingIp
LAST_FLOATING = (2, 43)

Action = Callable[[web.Request, Server, Any], Awaitable[web.Response]]


class Actions:
    """`find` gives the server of a request."""

    def __init__(self, cloud: Cloud, rows: Rows, find: Callable[[web.Request], Server]) -> None:
        self._cloud = cloud
        self._rows = rows
        self._find = find
        self._actions: dict[str, Action] = {
            "createImage": self.create_image,
            "os-getConsoleOutput": self.console,
            "addFloatingIp": self.add_floating_ip,
            "removeFloatingIp": self.remove_floating_ip,
            "reboot": self.reboot,
            "os-stop": self.stop,
            "os-start": self.start,
            "forceDelete": self.force_delete,
        }

    async def act(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if len(body) != 1:
            raise bad("Malformed request body")
        name, words = next(iter(body.items()))
        action = self._actions.get(name)
        if action is None:
            raise bad(f"There is no such action: {name}")
        return await action(request, self._find(request), words)

    async def create_image(self, request: web.Request, server: Server, words: Any) -> web.Response:
        if not isinstance(words, dict) or not isinstance(words.get("name"), str):
            raise bad("'name' is a required property")
        self._check_state(server, "createImage", ("active", "stopped"))
        user = request[USER]
        image = Image(
            words["name"],
            user.project.id,
            folder=self._cloud.folder / "images" / new_id(),
            status="queued",
            visibility="private",
            min_disk=server.flavor.disk,
            properties={
                **{str(k): str(v) for k, v in (words.get("metadata") or {}).items()},
                "base_image_ref": server.image.id,
                "boot_roles": "member,reader",
                "image_type": "snapshot",
                "instance_uuid": server.id,
                "owner_project_name": user.project.name,
                "owner_user_name": user.name,
                "user_id": user.id,
            },
        )
        self._cloud.lives.snapshot(server, image)
        if request[VERSION] >= (2, 45):
            return web.json_response({"image_id": image.id}, status=202)
        location = self._rows.brief_image(image)["links"][-1]["href"]
        return web.Response(status=202, headers={"Location": location})

    async def console(self, request: web.Request, server: Server, words: Any) -> web.Response:
        text = await self._cloud.hosts.console(server)
        length = (words or {}).get("length")
        if length not in (None, -1, "-1"):
            text = "\n".join(text.split("\n")[-int(length) :]) if int(length) else ""
        return web.json_response({"output": text})

    async def add_floating_ip(
        self, request: web.Request, server: Server, words: Any
    ) -> web.Response:
        until(request, LAST_FLOATING)
        address = words["address"]
        for floating in self._cloud.floating_ips.values():
            if floating.address == address and floating.project_id == server.project.id:
                break
        else:
            raise not_found("floating IP not found")
        if server.address is None or not server.address_shown:
            raise bad("No fixed IPs associated to instance")
        self._cloud.attach(floating, server)
        return web.Response(status=202)

    async def remove_floating_ip(
        self, request: web.Request, server: Server, words: Any
    ) -> web.Response:
        until(request, LAST_FLOATING)
        for floating in server.floating:
            if floating.address == words["address"]:
                self._cloud.detach(floating)
                return web.Response(status=202)
        raise not_found("floating IP not found")

    async def reboot(self, request: web.Request, server: Server, words: Any) -> web.Response:
        self._check_state(server, "reboot", ("active", "stopped", "error"))
        self._cloud.lives.reboot(server)
        return web.Response(status=202)

    async def stop(self, request: web.Request, server: Server, words: Any) -> web.Response:
        self._check_state(server, "stop", ("active", "error"))
        self._cloud.lives.stop(server)
        return web.Response(status=202)

    async def start(self, request: web.Request, server: Server, words: Any) -> web.Response:
        self._check_state(server, "start", ("stopped",))
        self._cloud.lives.reboot(server)
        return web.Response(status=202)

    async def force_delete(self, request: web.Request, server: Server, words: Any) -> web.Response:
        self._cloud.lives.delete(server)
        return web.Response(status=202)

    def _check_state(self, server: Server, name: str, states: tuple[str, ...]) -> None:
        text = f"Cannot '{name}' instance {server.id} while it is in "
        if server.vm_state not in states:
            raise ApiError(409, text + f"vm_state {server.vm_state}")
        if server.task_state is not None:
            raise ApiError(409, text + f"task_state {server.task_state}")
