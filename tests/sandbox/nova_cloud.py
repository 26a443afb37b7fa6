"""The lives of the sandbox cloud's servers and images: boots, snapshots, deaths.

Everything here runs on the cloud's event loop. A server's life is one task, which may be begun
again after the cloud was stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import shutil
import subprocess
import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sandbox import nova_guest
from tests.sandbox.nova_errors import ApiError
from tests.sandbox.nova_faults import Faults
from tests.sandbox.nova_hosts import Hosts, make_keys
from tests.sandbox.nova_model import (
    Flavor,
    FloatingIp,
    Image,
    Network,
    Project,
    Server,
    User,
    now,
)
from tests.sandbox.nova_ssh import SshSide

log = logging.getLogger("sandbox.nova")

#: Servers that are gone are remembered so far back, for changes-since.
GONE_KEPT = 5_000
#: Seconds, or (least, most) to draw from.
Span = float | tuple[float, float]


@dataclass(slots=True)
class Times:
    """How long things take; may be changed while the cloud runs."""

    #: from the create call to ACTIVE
    boot: Span = 0.2
    #: from ACTIVE until SSH answers
    ssh: Span = 0.05
    #: from the delete call to the 404
    delete: Span = 0.1
    snapshot: Span = 0.2
    #: from an upload to the image's `active`
    upload: Span = 0.0
    #: servers that boot at once; the others wait in the scheduler. None is no limit
    builders: int | None = None


@dataclass(slots=True)
class Settings:
    """What a cloud is made with."""

    folder: Path
    times: Times
    ssh: bool
    ssh_port: int
    seed: int
    login_users: tuple[str, ...]
    shared: tuple[Path, ...]
    zones: tuple[str, ...]
    prefix: str
    floating_prefix: str


class Cloud:
    """Everything one cloud has."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self.times = settings.times
        self.faults = faults
        self.folder = settings.folder
        self.wrappers = settings.folder / "wrappers"
        self.shared = settings.shared
        self.random = random.Random(settings.seed)
        self.users: dict[str, User] = {}
        self.flavors: list[Flavor] = []
        self.images: dict[str, Image] = {}
        self.networks: list[Network] = []
        self.floating_ips: dict[str, FloatingIp] = {}
        self.servers: dict[str, Server] = {}
        self.gone: OrderedDict[str, Server] = OrderedDict()
        self.ssh = SshSide(self)
        self.hosts = Hosts(self.ssh, ssh=settings.ssh, port=settings.ssh_port)
        #: servers whose folder is there
        self._rooted: dict[str, asyncio.Task[None]] = {}
        self._used: set[str] = set()
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._building = 0
        self._admissions: asyncio.Event | None = None
        #: the most servers there ever were at once
        self.most_servers = 0
        self.created_total = 0

    # -- life of the whole -------------------------------------------------------------------------

    def begin(self) -> None:
        """On a fresh loop: everybody goes on where they were."""
        nova_guest.write_wrappers(self.wrappers)
        self._admissions = asyncio.Event()
        self._building = 0
        self._rooted = {name: task for name, task in self._rooted.items() if task.done()}
        for image in self.images.values():
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
            self.hosts.close(server)
            await self._kill(server)
        self.hosts.unbind_all()

    async def _resume(self, server: Server) -> None:
        if server.task_state == "deleting":
            await self._end(server)
        elif server.vm_state == "building":
            await self._boot(server)
        elif server.vm_state == "active":
            if server.task_state is not None:
                server.task_state = None
                server.touch()
            self.hosts.open(server)
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
        return self.random.uniform(*span) if isinstance(span, tuple) else span

    # -- servers -----------------------------------------------------------------------------------

    def of_project(self, project: Project) -> list[Server]:
        return [server for server in self.servers.values() if server.project is project]

    def check_quota(self, project: Project, flavor: Flavor, count: int) -> None:
        """403 as nova words it."""
        quota, used = project.quota, self.of_project(project)
        asked = {
            "cores": (count * flavor.vcpus, sum(s.flavor.vcpus for s in used), quota.cores),
            "instances": (count, len(used), quota.instances),
            "ram": (count * flavor.ram, sum(s.flavor.ram for s in used), quota.ram),
        }
        over = [k for k, (want, have, most) in asked.items() if most >= 0 and want + have > most]
        if not over:
            return

        def words(index: int) -> str:
            return ", ".join(str(asked[name][index]) for name in over)

        raise ApiError(
            403,
            f"Quota exceeded for {', '.join(over)}: Requested {words(0)}, but already used "
            f"{words(1)} of {words(2)} {', '.join(over)}",
        )

    def admit(self, server: Server, *, over_quota: bool = False, at_once: bool = False) -> None:
        """A new server; it begins to boot, or goes to ERROR if it was let in over the quota."""
        self.servers[server.id] = server
        self.created_total += 1
        self.most_servers = max(self.most_servers, len(self.servers))
        if server.network is not None:
            server.address = self.hosts.reserve(server, server.network.prefix)
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
            await self._run_user_data(server)
        self.hosts.open(server)

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
    async def _builder(self) -> Any:
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
        self.hosts.close(server)
        self.spawn(self._kill(server))
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
        self.hosts.close(server, keep_addresses=False)
        if server.address is not None:
            self.hosts.release(server.address)
        for floating in list(server.floating):
            floating.server = None
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
        await self._kill(server)
        if self._rooted.pop(server.id, None) is not None:
            await asyncio.to_thread(nova_guest.remove_tree, server.folder)

    async def _kill(self, server: Server) -> None:
        if server.id in self._used:
            self._used.discard(server.id)
            await asyncio.to_thread(nova_guest.kill_processes, server.id)

    # -- floating addresses -----------------------------------------------------------------------

    def new_floating_ip(self, project: Project) -> FloatingIp:
        """403 over the quota."""
        used = sum(ip.project_id == project.id for ip in self.floating_ips.values())
        most = project.quota.floating_ips
        if 0 <= most <= used:
            raise ApiError(403, f"Quota exceeded for floating_ips: {used} of {most} in use")
        address = self.hosts.reserve(None, self.settings.floating_prefix)
        floating = FloatingIp(address, project.id)
        self.floating_ips[floating.id] = floating
        return floating

    def remove_floating_ip(self, floating: FloatingIp) -> None:
        if floating.server is not None:
            self.detach(floating)
        del self.floating_ips[floating.id]
        self.hosts.release(floating.address)

    def attach(self, floating: FloatingIp, server: Server) -> None:
        if floating.server is not None:
            self.detach(floating)
        floating.server = server
        server.floating.append(floating)
        server.touch()
        self.hosts.attach(server, floating.address)

    def detach(self, floating: FloatingIp) -> None:
        server, floating.server = floating.server, None
        if server is not None:
            server.floating.remove(floating)
            server.touch()
            self.hosts.detach(server, floating.address)

    # -- what one can do to a server ---------------------------------------------------------------

    def reboot(self, server: Server) -> None:
        server.task_state = "rebooting"
        server.touch()
        self._live(server, self._reboot(server))

    async def _reboot(self, server: Server) -> None:
        self.hosts.close(server)
        await self._kill(server)
        await asyncio.sleep(self.draw(self.times.ssh))
        server.vm_state, server.task_state, server.power_state = "active", None, 1
        server.touch()
        self.hosts.open(server)

    def stop(self, server: Server) -> None:
        self.hosts.close(server)
        self.spawn(self._kill(server))
        server.vm_state, server.power_state = "stopped", 4
        server.touch()

    def snapshot(self, server: Server, image: Image) -> None:
        """Fill a queued image from the server's files."""
        self.images[image.id] = image
        server.task_state = "image_snapshot"
        server.touch()
        self.spawn(self._snapshot(server, image))

    async def _snapshot(self, server: Server, image: Image) -> None:
        outcome = self.faults.snapshot
        try:
            await asyncio.sleep(self.draw(self.times.snapshot) / 2)
            server.task_state = "image_uploading"
            server.rows.clear()
            image.status = "saving"
            root = await self.root_of(server)
            await asyncio.to_thread(nova_guest.copy_tree, root, image.folder)
            await asyncio.sleep(self.draw(self.times.snapshot) / 2)
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("snapshot of %s: %s", server.name, error)
            outcome = "error"
        if outcome == "stuck":
            return
        if not server.alive or server.task_state == "deleting":
            # Nova takes the image away when its server goes.
            self.images.pop(image.id, None)
            return
        image.status = "error" if outcome == "error" else "active"
        image.size = 1024
        image.updated = now()
        server.task_state = None
        server.touch()

    # -- files of a server -------------------------------------------------------------------------

    def folder_of(self, server: Server) -> Path:
        return server.folder

    def note_process(self, server: Server) -> None:
        self._used.add(server.id)

    async def root_of(self, server: Server) -> Path:
        """The server's folder, made from its image first if need be."""
        task = self._rooted.get(server.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._make_root(server))
            self._rooted[server.id] = task
        if not task.done():
            await asyncio.shield(task)
        else:
            task.result()
        return server.folder

    async def _make_root(self, server: Server) -> None:
        await asyncio.to_thread(self._fill_root, server)

    def _fill_root(self, server: Server) -> None:
        server.folder.mkdir(parents=True)
        if server.image.folder.is_dir():
            nova_guest.copy_tree(server.image.folder, server.folder)
        nova_guest.first_boot(server.folder, server, self.settings.login_users)

    async def _run_user_data(self, server: Server) -> None:
        root = await self.root_of(server)
        script = root / "var/lib/user-data"
        script.write_bytes(server.user_data)
        script.chmod(0o755)
        child = await self.ssh.start(
            server,
            "root",
            "/var/lib/user-data",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await child.communicate()

    async def console(self, server: Server) -> str:
        """What a screen would show by now, the host keys included as cloud-init prints them."""
        if server.launched is None:
            return ""
        keys = await self.hosts.keys(server)
        if server.trouble.wrong_console_keys:
            keys = await asyncio.to_thread(make_keys, server.name)
        lines = ["[    0.000000] Linux version 5.10.0-sandbox", "cloud-init: running modules"]
        lines += ["ci-info: no authorized ssh keys fingerprints found"] if not server.key else []
        lines.append("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
        lines += [f"{k.get_fingerprint()} root@{server.name}" for k in keys]
        lines.append("-----END SSH HOST KEY FINGERPRINTS-----")
        lines.append("-----BEGIN SSH HOST KEY KEYS-----")
        lines += [k.export_public_key().decode().strip() for k in keys]
        lines += ["-----END SSH HOST KEY KEYS-----", "", f"{server.name} login: "]
        return "\n".join(lines)

    # -- images ------------------------------------------------------------------------------------

    def visible_images(self, project: Project) -> list[Image]:
        """Newest first."""
        rows = [
            image
            for image in self.images.values()
            if image.visibility == "public" or image.project_id == project.id
        ]
        return rows[::-1]

    def remove_image(self, image: Image) -> None:
        self.images.pop(image.id, None)
        if not any(s.image is image and s.id not in self._rooted for s in self.servers.values()):
            shutil.rmtree(image.folder, ignore_errors=True)
