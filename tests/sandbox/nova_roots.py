"""The folders that are the servers' roots, and what runs in them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.sandbox import nova_guest
from tests.sandbox.nova_model import Server
from tests.sandbox.nova_settings import Settings
from tests.sandbox.nova_ssh import SshSide


class Roots:
    """One instance a cloud. A folder is made when somebody first looks inside."""

    def __init__(self, settings: Settings) -> None:
        self.wrappers = settings.folder / "wrappers"
        self.shared = settings.shared
        self.side = SshSide(self)
        self._login_users = settings.login_users
        self._made: dict[str, asyncio.Task[None]] = {}
        self._used: set[str] = set()

    def begin(self) -> None:
        """On a fresh loop."""
        nova_guest.write_wrappers(self.wrappers)
        self._made = {name: task for name, task in self._made.items() if _is_well(task)}

    def is_made(self, server: Server) -> bool:
        return server.id in self._made

    def folder_of(self, server: Server) -> Path:
        """Where its root is, or will be."""
        return server.folder

    def note_process(self, server: Server) -> None:
        """There may be something to kill."""
        self._used.add(server.id)

    async def root_of(self, server: Server) -> Path:
        """The server's folder, made from its image first if need be."""
        task = self._made.get(server.id)
        if task is None or (task.done() and not _is_well(task)):
            task = asyncio.get_running_loop().create_task(self._make_root(server))
            self._made[server.id] = task
        if not task.done():
            await asyncio.shield(task)
        else:
            task.result()
        return server.folder

    async def _make_root(self, server: Server) -> None:
        await asyncio.to_thread(self._fill_root, server)

    def _fill_root(self, server: Server) -> None:
        # What an attempt that was cut off has left.
        nova_guest.remove_tree(server.folder)
        server.folder.mkdir(parents=True)
        if server.image.folder.is_dir():
            nova_guest.copy_tree(server.image.folder, server.folder)
        nova_guest.first_boot(server.folder, server, self._login_users)

    async def run_user_data(self, server: Server) -> None:
        """As cloud-init does at the first boot; its exit code is nobody's business."""
        root = await self.root_of(server)
        script = root / "var/lib/user-data"
        script.write_bytes(server.user_data)
        script.chmod(0o755)
        nowhere = asyncio.subprocess.DEVNULL
        script_path = "/var/lib/user-data"
        async with self.side.start(
            server, "root", script_path, stdout=nowhere, stderr=nowhere
        ) as child:
            await child.communicate()

    async def kill(self, server: Server) -> None:
        """End all that runs in it."""
        if server.id in self._used:
            self._used.discard(server.id)
            await asyncio.to_thread(nova_guest.kill_processes, server.id)

    async def remove(self, server: Server) -> None:
        await self.kill(server)
        if self._made.pop(server.id, None) is not None:
            await asyncio.to_thread(nova_guest.remove_tree, server.folder)


def _is_well(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
