"""Everything one sandbox cloud has: users, flavors, images, addresses, servers."""

from __future__ import annotations

import shutil

from tests.sandbox.nova_errors import ApiError
from tests.sandbox.nova_faults import Faults
from tests.sandbox.nova_hosts import Hosts
from tests.sandbox.nova_lives import Lives
from tests.sandbox.nova_model import (
    Flavor,
    FloatingIp,
    Image,
    Network,
    Project,
    Server,
    User,
    new_hex_id,
)
from tests.sandbox.nova_roots import Roots
from tests.sandbox.nova_settings import Settings


class Cloud:
    """What the services share; its methods are for the cloud's loop."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self.faults = faults
        self.folder = settings.folder
        #: who owns what is everybody's
        self.admin_id = new_hex_id()
        self.users: dict[str, User] = {}
        self.flavors: list[Flavor] = []
        self.images: dict[str, Image] = {}
        self.networks: list[Network] = []
        self.floating_ips: dict[str, FloatingIp] = {}
        self.roots = Roots(settings)
        self.hosts = Hosts(self.roots.side, ssh=settings.ssh, port=settings.ssh_port)
        self.lives = Lives(settings, faults, self.roots, self.hosts, self.images)
        self.servers = self.lives.servers
        self.gone = self.lives.gone

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

    # -- floating addresses -----------------------------------------------------------------------

    def new_floating_ip(
        self, project: Project, network: Network, description: str = ""
    ) -> FloatingIp:
        """403 over the quota."""
        used = sum(ip.project_id == project.id for ip in self.floating_ips.values())
        most = project.quota.floating_ips
        if 0 <= most <= used:
            raise ApiError(403, f"Quota exceeded for floating_ips: {used} of {most} in use")
        address = self.hosts.reserve(None, self.settings.floating_prefix)
        floating = FloatingIp(address, project.id, network, description)
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
        if not any(s.image is image and not self.roots.is_made(s) for s in self.servers.values()):
            shutil.rmtree(image.folder, ignore_errors=True)
