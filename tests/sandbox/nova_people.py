"""What tests and the demo do to the sandbox cloud without its API, from any thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.sandbox import nova_guest
from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_faults import HEALTHY
from tests.sandbox.nova_model import Flavor, Image, Project, Quota, Server, User, new_id
from tests.sandbox.nova_settings import Times

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server as it was when asked; `folder` is where its files are, once it has any."""

    id: str
    name: str
    status: str
    task_state: str | None
    project: str
    image_id: str
    flavor: str
    zone: str
    metadata: dict[str, str]
    address: str | None
    floating_addresses: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class ImageView:
    id: str
    name: str
    status: str
    visibility: str
    properties: dict[str, str]
    folder: Path


class People:
    """Deeds on the cloud of a subclass that runs it; servers are named by id or name."""

    cloud: Cloud

    def call(self, function: Callable[[], T]) -> T:
        raise NotImplementedError

    def call_async(self, function: Callable[[], Awaitable[T]]) -> T:
        raise NotImplementedError

    # -- what there is -----------------------------------------------------------------------------

    def add_user(
        self, name: str, password: str, project: str | None = None, quota: Quota | None = None
    ) -> None:
        """In a project that is made with it if there is none of that name."""

        def do() -> None:
            wanted = project or name
            known = {user.project.name: user.project for user in self.cloud.users.values()}
            row = known.get(wanted) or Project(wanted, quota or Quota())
            self.cloud.users[name] = User(name, password, row)

        self.call(do)

    def add_flavor(self, name: str, ram: int, vcpus: int = 1, disk: int = 1) -> str:
        flavor = Flavor(name, ram, vcpus, disk)
        self.call(lambda: self.cloud.flavors.append(flavor))
        return flavor.id

    def add_image(
        self,
        name: str,
        files: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        project: str | None = None,
    ) -> str:
        """An active image: public, or a project's own. `files` maps paths below the root to their
        text; one whose text begins with `#!` may be run."""

        def do() -> str:
            image_id = new_id()
            image = Image(
                name,
                self._project(project).id if project else self.cloud.admin_id,
                folder=self.cloud.folder / "images" / image_id,
                visibility="private" if project else "public",
                properties=dict(properties or {}),
                size=18,
                checksum="0" * 32,
                sha512="0" * 128,
                id=image_id,
            )
            nova_guest.skeleton(image.folder)
            for path, text in (files or {}).items():
                target = image.folder / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
                target.chmod(0o755 if text.startswith("#!") else 0o644)
            self.cloud.images[image_id] = image
            return image_id

        return self.call(do)

    def set_quota(self, project: str, **limits: int) -> None:
        """Of `instances`, `cores`, `ram` (MiB), `key_pairs`, `floating_ips`; -1 is no limit."""

        def do() -> None:
            quota = self._project(project).quota
            for name, value in limits.items():
                if name not in Quota.__slots__:
                    raise KeyError(name)
                setattr(quota, name, value)

        self.call(do)

    def add_foreign_server(
        self, name: str, metadata: Mapping[str, str] | None = None, project: str | None = None
    ) -> str:
        """A server that nobody asked the API for, ACTIVE at once; in the first user's project if
        none is named."""

        def do() -> str:
            users = list(self.cloud.users.values())
            user = next(u for u in users if project in (None, u.project.name))
            server_id = new_id()
            server = Server(
                name=name,
                project=user.project,
                user=user,
                image=next(iter(self.cloud.images.values())),
                flavor=self.cloud.flavors[0],
                network=self.cloud.networks[0],
                folder=self.cloud.folder / "servers" / server_id,
                trouble=HEALTHY,
                metadata=dict(metadata or {}),
                id=server_id,
            )
            self.cloud.lives.admit(server, at_once=True)
            return server_id

        return self.call(do)

    # -- looks -------------------------------------------------------------------------------------

    def servers(self, project: str | None = None) -> list[ServerView]:
        """All that are not gone, oldest first."""

        def do() -> list[ServerView]:
            rows = self.cloud.servers.values()
            return [_view(row) for row in rows if project in (None, row.project.name)]

        return self.call(do)

    def server(self, name: str) -> ServerView:
        """LookupError if there is none, or several."""
        return self.call(lambda: _view(self._server(name)))

    def images(self) -> list[ImageView]:
        """Oldest first."""

        def do() -> list[ImageView]:
            return [
                ImageView(
                    image.id,
                    image.name,
                    image.status,
                    image.visibility,
                    dict(image.properties),
                    image.folder,
                )
                for image in self.cloud.images.values()
            ]

        return self.call(do)

    def keypairs(self) -> list[str]:
        return self.call(lambda: [k for u in self.cloud.users.values() for k in u.keypairs])

    def floating_ips(self) -> dict[str, str | None]:
        """Addresses, and the ids of the servers that have them."""
        rows = self.cloud.floating_ips
        return self.call(
            lambda: {ip.address: ip.server.id if ip.server else None for ip in rows.values()}
        )

    def console(self, name: str) -> str:
        return self.call_async(lambda: self.cloud.hosts.console(self._server(name)))

    def root_of(self, name: str) -> Path:
        """The folder that is the server's root, made if it is not there yet."""
        return self.call_async(lambda: self.cloud.roots.root_of(self._server(name)))

    def host_keys(self, name: str) -> list[str]:
        """Public host keys, as in known_hosts."""

        async def do() -> list[str]:
            keys = await self.cloud.hosts.keys(self._server(name))
            return [" ".join(k.export_public_key().decode().split()[:2]) for k in keys]

        return self.call_async(do)

    def set_times(self, **spans: Any) -> None:
        """Of the fields of Times; a list of two is a span to draw from."""

        def do() -> None:
            for name, span in spans.items():
                if name not in Times.__slots__:
                    raise KeyError(name)
                value = tuple(span) if isinstance(span, list) else span
                setattr(self.cloud.lives.times, name, value)

        self.call(do)

    # -- accidents ---------------------------------------------------------------------------------

    def kill_server(self, name: str, status: str = "ACTIVE") -> None:
        """The machine is dead; the cloud says `status` of it: ACTIVE, SHUTOFF or ERROR."""
        states = {"ACTIVE": "active", "SHUTOFF": "stopped", "ERROR": "error"}
        self.call(lambda: self.cloud.lives.die(self._server(name), states[status]))

    def change_host_keys(self, name: str) -> None:
        """Whoever answers at its address from now on has host keys of its own."""
        self.call(lambda: self.cloud.hosts.forget_keys(self._server(name)))

    def vanish(self, name: str) -> None:
        """The cloud has lost it: 404 from now on."""
        self.call_async(lambda: self.cloud.lives.bury(self._server(name)))

    def remove_image(self, name: str) -> None:
        """By name or id; somebody else has deleted it."""

        def do() -> None:
            for image in list(self.cloud.images.values()):
                if name in (image.id, image.name):
                    self.cloud.remove_image(image)

        self.call(do)

    # -- on the loop -------------------------------------------------------------------------------

    def _server(self, name: str) -> Server:
        found = [s for s in self.cloud.servers.values() if name in (s.id, s.name)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} servers are called {name}")
        return found[0]

    def _project(self, name: str) -> Project:
        for user in self.cloud.users.values():
            if user.project.name == name:
                return user.project
        raise LookupError(f"no project {name}")


def _view(server: Server) -> ServerView:
    return ServerView(
        id=server.id,
        name=server.name,
        status=server.status,
        task_state=server.task_state,
        project=server.project.name,
        image_id=server.image.id,
        flavor=server.flavor.name,
        zone=server.zone,
        metadata=dict(server.metadata),
        address=server.address,
        floating_addresses=tuple(ip.address for ip in server.floating),
        folder=server.folder,
    )
