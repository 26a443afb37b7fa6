"""The sandbox cloud's own service, for who runs it as a process: POST /sandbox/call does what the
methods of SandboxCloud do, and tells what was asked of the cloud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox.nova_gate import Gate

if TYPE_CHECKING:
    from tests.sandbox.nova import SandboxCloud


class Control:
    """One instance a cloud; its own requests are not counted among the cloud's."""

    def __init__(self, cloud: SandboxCloud, gate: Gate) -> None:
        self._gate = gate
        faults, requests = cloud.faults, cloud.requests
        self._deeds: dict[str, Callable[..., Any]] = {
            "add_flavor": cloud.add_flavor,
            "add_foreign_server": cloud.add_foreign_server,
            "add_image": cloud.add_image,
            "add_user": cloud.add_user,
            "change_host_keys": cloud.change_host_keys,
            "console": cloud.console,
            "expire_tokens": cloud.expire_tokens,
            "floating_ips": cloud.floating_ips,
            "host_keys": cloud.host_keys,
            "images": cloud.images,
            "keypairs": cloud.keypairs,
            "kill_server": cloud.kill_server,
            "remove_image": cloud.remove_image,
            "servers": cloud.servers,
            "set_quota": cloud.set_quota,
            "set_times": cloud.set_times,
            "vanish": cloud.vanish,
            "faults.add": faults.add,
            "faults.boot": faults.boot,
            "faults.clear": faults.clear,
            "faults.delay": faults.delays.__setitem__,
            "faults.limit": faults.limit,
            "requests": lambda: {"counts": dict(requests.counts), "refused": requests.refused()},
            "requests.clear": requests.clear,
            "requests.refused": requests.refused,
            "requests.times": lambda kind: [row.at for row in requests.of(kind)],
            "totals": lambda: {
                "created": cloud.cloud.lives.created_total,
                "most": cloud.cloud.lives.most_servers,
            },
        }

    def routes(self, app: web.Application) -> None:
        self._gate.add(app, "sandbox", "POST", "/sandbox/call", self.call)

    async def call(self, request: web.Request) -> web.Response:
        """`{"name": ..., "arguments": [...], "words": {...}}` -> `{"result": ...}`; 400 says what
        was wrong."""
        body = json.loads(await request.read())
        deed = self._deeds[body["name"]]
        try:
            arguments, words = body.get("arguments", []), body.get("words", {})
            result = await asyncio.to_thread(deed, *arguments, **words)
        except (LookupError, TypeError, ValueError) as error:
            return web.json_response({"error": repr(error)}, status=400)
        return web.json_response({"result": _plain(result)})


def _plain(value: Any) -> Any:
    """What JSON can say of it; a fault that was added is nobody's business."""
    if is_dataclass(value) and not isinstance(value, type):
        known = getattr(value, "folder", None) is not None
        return _plain(asdict(value)) if known else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | str | None) else str(value)
