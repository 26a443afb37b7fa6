"""The lives of the sandbox cloud's servers and snapshots: boots, deaths, all that takes time.

Everything here runs on the cloud's event loop. A server's life is one task, which may be begun
again after the cloud was stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
import subprocess
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from tests.sandbox import nova_guest
from tests.sandbox.nova_errors import ApiError
from tests.sandbox.nova_faults import Faults
from tests.sandbox.nova_hosts import Hosts
from tests.sandbox.nova_model import Image, Server, now
from tests.sandbox.nova_roots import Roots
from tests.sandbox.nova_settings import Settings, Span

log = logging.getLogger("sandbox.nova")

#: Servers that are gone are remembered so far back, for changes-since.
GONE_KEPT = 5_000


class Lives:
    """Owns `servers` (alive, oldest first) and `gone`; `images` are the cloud's."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults,
        roots: Roots,
        hosts: Hosts,
        images: dict[str, Image],
    ) -> None:
        self.times = settings.times
        self.servers: dict[str, Server] = {}
        self.gone: OrderedDict[str, Server] = OrderedDict()
        #: the most servers there ever were at once
        self.most_servers = 0
        self.created_total = 0
        self._faults = faults
        self._roots = roots
        self._hosts = hosts
        self._images = images
        self._random = random.Random(settings.seed)
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._building = 0
        self._admissions: asyncio.Event | None = None

    # -- life of the whole -------------------------------------------------------------------------

    def begin(self) -> None:
        """On a fresh loop: everybody goes on where they were."""
        self._roots.begin()
        self._admissions = asyncio.Event()
        self._building = 0
        for image in self._images.values():
            if image.status in ("saving", "queued") and "instance_uuid" in image.properties:
                image.status = "error"
        for server in list(self.servers.values()):
            self._live(server, self._resume(server))

    async def end(self) -> None:
        """Cut and stop everything; what is known is kept."""
        tasks = [*self._lives.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lives.clear()
        for server in list(self.servers.values()):
            self._hosts.close(server)
            await self._roots.kill(server)
        self._hosts.unbind_all()

    async def _resume(self, server: Server) -> None:
        if server.task_state == "deleting":
            await self._end(server)
        elif server.vm_state == "building":
            await self._boot(server)
        elif server.vm_state == "active":
            if server.task_state is not None:
                server.task_state = None
                server.touch()
            self._hosts.open(server)
            await self._linger(server)

    def _live(self, server: Server, life: Coroutine[Any, Any, None]) -> None:
        old = self._lives.get(server.id)
        if old is not None:
            old.cancel()
        task = asyncio.get_running_loop().create_task(self._guarded(server, life))
        self._lives[server.id] = task

    async def _guarded(self, server: Server, life: Coroutine[Any, Any, None]) -> None:
        try:
            await life
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            log.exception("server %s", server.name)
            self.fail(server, f"sandbox: {error}")

    def spawn(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def draw(self, span: Span) -> float:
        return self._random.uniform(*span) if isinstance(span, tuple) else span

    # -- one server ------------------------------------------------------------------------------

    def admit(self, server: Server, *, over_quota: bool = False, at_once: bool = False) -> None:
        """A new server; it begins to boot, or goes to ERROR if it was let in over the quota."""
        self.servers[server.id] = server
        self.created_total += 1
        self.most_servers = max(self.most_servers, len(self.servers))
        if server.network is not None:
            server.address = self._hosts.reserve(server, server.network.prefix)
        if over_quota:
            self.fail(server, "Quota exceeded for instances")
        elif at_once:
            self._activate(server)
            self._live(server, self._start_inside(server))
        else:
            self._live(server, self._boot(server))

    async def _boot(self, server: Server) -> None:
        trouble = server.trouble
        if trouble.stuck:
            return
        seconds = trouble.boot_seconds
        async with self._builder():
            server.task_state = "spawning"
            server.rows.clear()
            await asyncio.sleep(self.draw(self.times.boot) if seconds is None else seconds)
        if trouble.error is not None:
            self.fail(server, trouble.error)
            return
        self._activate(server)
        await self._start_inside(server)
        await self._linger(server)

    def _activate(self, server: Server) -> None:
        server.vm_state, server.task_state, server.power_state = "active", None, 1
        server.launched = now()
        server.address_shown = not server.trouble.no_address
        server.touch()

    async def _start_inside(self, server: Server) -> None:
        seconds = server.trouble.ssh_seconds
        await asyncio.sleep(self.draw(self.times.ssh) if seconds is None else seconds)
        if server.user_data.startswith(b"#!"):
            await self._roots.run_user_data(server)
        self._hosts.open(server)

    async def _linger(self, server: Server) -> None:
        """What is to happen to it later."""
        trouble = server.trouble
        plan = [(trouble.dies_after, self.die), (trouble.vanishes_after, self.vanish)]
        began = time.monotonic()
        for after, deed in sorted((p for p in plan if p[0] is not None), key=lambda p: p[0] or 0):
            assert after is not None
            await asyncio.sleep(max(0.0, began + after - time.monotonic()))
            deed(server)

    @contextlib.asynccontextmanager
    async def _builder(self) -> AsyncIterator[None]:
        assert self._admissions is not None
        while self.times.builders is not None and self._building >= self.times.builders:
            self._admissions.clear()
            await self._admissions.wait()
        self._building += 1
        try:
            yield
        finally:
            self._building -= 1
            self._admissions.set()

    def fail(self, server: Server, message: str) -> None:
        """To ERROR."""
        server.vm_state, server.task_state, server.power_state = "error", None, 0
        server.fault, server.fault_at = message, now()
        server.touch()

    def die(self, server: Server, vm_state: str = "active") -> None:
        """Cut it off: the machine is dead, whatever the cloud says of it."""
        self._hosts.close(server)
        self.spawn(self._roots.kill(server))
        if vm_state != server.vm_state:
            server.vm_state = vm_state
            server.power_state = 1 if vm_state == "active" else 4
            server.touch()

    def vanish(self, server: Server) -> None:
        """Gone, and nobody had asked for it."""
        self.spawn(self.bury(server))

    def delete(self, server: Server) -> None:
        """As the API's delete; ApiError if its trouble says so."""
        trouble, at = server.trouble, time.monotonic()
        if trouble.delete_ignored_seconds:
            if server.delete_ignored_since is None:
                server.delete_ignored_since = at
            if at < server.delete_ignored_since + trouble.delete_ignored_seconds:
                if trouble.delete_status is not None:
                    raise ApiError(trouble.delete_status, "Sandbox: it cannot be deleted now")
                return
        if server.task_state != "deleting":
            server.task_state = "deleting"
            server.touch()
            self._live(server, self._end(server))

    async def _end(self, server: Server) -> None:
        await asyncio.sleep(self.draw(self.times.delete))
        await self.bury(server)

    async def bury(self, server: Server) -> None:
        if self.servers.pop(server.id, None) is None:
            return
        self._hosts.close(server, keep_addresses=False)
        if server.address is not None:
            self._hosts.release(server.address)
        for floating in list(server.floating):
            floating.server = None
            self._hosts.hold(floating.address)
        server.floating.clear()
        server.vm_state, server.task_state, server.power_state = "deleted", None, 0
        server.terminated = now()
        server.touch()
        self.gone[server.id] = server
        while len(self.gone) > GONE_KEPT:
            self.gone.popitem(last=False)
        life = self._lives.pop(server.id, None)
        if life is not None and life is not asyncio.current_task():
            life.cancel()
        await self._roots.remove(server)

    # -- what one can do to a server ---------------------------------------------------------------

    def reboot(self, server: Server) -> None:
        server.task_state = "rebooting"
        server.touch()
        self._live(server, self._reboot(server))

    async def _reboot(self, server: Server) -> None:
        self._hosts.close(server)
        await self._roots.kill(server)
        await asyncio.sleep(self.draw(self.times.ssh))
        server.vm_state, server.task_state, server.power_state = "active", None, 1
        server.touch()
        self._hosts.open(server)

    def stop(self, server: Server) -> None:
        self._hosts.close(server)
        self.spawn(self._roots.kill(server))
        server.vm_state, server.power_state = "stopped", 4
        server.touch()

    def snapshot(self, server: Server, image: Image) -> None:
        """Fill a queued image from the server's files."""
        self._images[image.id] = image
        server.task_state = "image_snapshot"
        server.touch()
        self.spawn(self._snapshot(server, image))

    async def _snapshot(self, server: Server, image: Image) -> None:
        outcome = self._faults.snapshot
        try:
            await asyncio.sleep(self.draw(self.times.snapshot) / 2)
            server.task_state = "image_uploading"
            server.rows.clear()
            image.status = "saving"
            root = await self._roots.root_of(server)
            await asyncio.to_thread(nova_guest.copy_tree, root, image.folder)
            await asyncio.sleep(self.draw(self.times.snapshot) / 2)
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("snapshot of %s: %s", server.name, error)
            outcome = "error"
        if outcome == "stuck":
            return
        if not server.alive or server.task_state == "deleting":
            # Nova takes the image away when its server goes.
            self._images.pop(image.id, None)
            return
        image.status = "error" if outcome == "error" else "active"
        image.size = 1024
        image.checksum = hashlib.md5(image.id.encode()).hexdigest()
        image.sha512 = hashlib.sha512(image.id.encode()).hexdigest()
        image.updated = now()
        server.task_state = None
        server.touch()
