"""An OpenStack for tests and the demo: keystone v3, nova, glance v2 and a little of neutron over
HTTP on loopback, and servers that are loopback addresses with an SSH server behind each.

The cloud runs on a thread and event loop of its own; the methods of SandboxCloud may be called
from any other thread. What it knows is kept while the object lives: it may be stopped and started
again on the same port. As a program:
`python -m tests.sandbox.nova --dir D [--port N] [--quota N] [--boot-seconds S] ...`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import signal
import threading
from pathlib import Path
from typing import Self

from aiohttp import web

from tests.sandbox.hosting import HOST, Hosted, bound
from tests.sandbox.nova_account import Account
from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_compute import Compute
from tests.sandbox.nova_control import Control
from tests.sandbox.nova_faults import Faults, RequestLog
from tests.sandbox.nova_gate import Gate, Tokens
from tests.sandbox.nova_glance import Glance
from tests.sandbox.nova_keystone import Keystone
from tests.sandbox.nova_model import Flavor, Network, Quota
from tests.sandbox.nova_network import Neutron
from tests.sandbox.nova_people import People
from tests.sandbox.nova_rows import Rows
from tests.sandbox.nova_servers import Servers
from tests.sandbox.nova_settings import Settings, Span, Times

#: The largest upload, in bytes.
MOST_BYTES = 1 << 30
MOST_FILES = 65_536


class SandboxCloud(Hosted, People):
    """One cloud with the user `demo` in the project `demo`, the flavors m1.tiny (512 MiB),
    m1.small (2048) and m1.large (8192), the image `base` and one network. start() and stop(),
    any number of times, or a `with` block."""

    def __init__(
        self,
        folder: Path,
        *,
        quota: Quota | int = 10,
        times: Times | None = None,
        port: int = 0,
        region: str = "RegionOne",
        ssh: bool = True,
        ssh_port: int = 22,
        login_users: tuple[str, ...] = ("root",),
        shared: tuple[Path, ...] = (),
        zones: tuple[str, ...] = ("nova",),
        network: str = "private",
        floating_pool: str | None = "public",
        prefix: str = "127.10",
        floating_prefix: str = "127.20",
        neutron: bool = True,
        descriptions: bool = True,
        seed: int = 1,
    ) -> None:
        """`ssh` off is addresses only, for benches. A key pair named at the create call may log
        in as each of `login_users`. `shared` are folders of this machine that all servers see.
        `floating_pool` None is a cloud without floating addresses; `neutron` off one that has them
        from nova alone; `descriptions` off one whose neutron keeps none of them. With a `prefix`
        such as 10.77 servers are reached by floating addresses alone."""
        super().__init__("sandbox.nova")
        self.folder = folder
        self.port = port
        self.region = region
        self.faults = Faults()
        self.requests = RequestLog()
        self.tokens = Tokens()
        self.times = times or Times()
        settings = Settings(
            folder=folder,
            times=self.times,
            ssh=ssh,
            ssh_port=ssh_port,
            seed=seed,
            login_users=login_users,
            shared=shared,
            zones=zones,
            prefix=prefix,
            floating_prefix=floating_prefix,
            neutron=neutron,
            descriptions=descriptions,
        )
        self.cloud = Cloud(settings, self.faults)
        limits = Quota(quota) if isinstance(quota, int) else quota
        self._furnish(limits, network, floating_pool)

    def _furnish(self, quota: Quota, network: str, floating_pool: str | None) -> None:
        self.add_user("demo", "demopw", "demo", quota)
        for name, ram, vcpus, disk in (
            ("m1.tiny", 512, 1, 1),
            ("m1.small", 2048, 1, 20),
            ("m1.large", 8192, 4, 80),
        ):
            self.cloud.flavors.append(Flavor(name, ram, vcpus, disk))
        settings = self.cloud.settings
        self.cloud.networks.append(Network(network, self.cloud.admin_id, settings.prefix))
        if floating_pool is not None:
            pool = Network(floating_pool, self.cloud.admin_id, settings.floating_prefix, True)
            self.cloud.networks.append(pool)
        self.add_image("base")

    @property
    def url(self) -> str:
        """Without a slash at the end; the services are below it."""
        return f"http://{HOST}:{self.port}"

    @property
    def auth_url(self) -> str:
        return f"{self.url}/identity/v3"

    def account(self, username: str = "demo") -> Account:
        user = self.cloud.users[username]
        return Account(
            auth_url=self.auth_url,
            username=user.name,
            password=user.password,
            project_name=user.project.name,
            project_id=user.project.id,
            region=self.region,
        )

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; on the same port as before, if it was started before. A stop refuses the API,
        cuts SSH and kills commands; what there is is kept."""
        _allow_many_files()
        return super().start()

    async def _serve(self) -> None:
        sock = bound(self.port)
        self.port = sock.getsockname()[1]
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.2,
            keepalive_timeout=75,
        )
        await runner.setup()
        self.cloud.lives.begin()
        await web.SockSite(runner, sock, backlog=1024).start()
        self._is_up()
        await self._stopping.wait()
        await runner.cleanup()
        await self.cloud.lives.end()

    def _application(self) -> web.Application:
        gate = Gate(self.faults, self.requests, self.tokens)
        compute_url, image_url = f"{self.url}/compute", f"{self.url}/image"
        rows = Rows(compute_url, image_url)
        app = web.Application(middlewares=[gate.middleware()], client_max_size=MOST_BYTES)
        Keystone(self.cloud, gate, self.url, self.region).routes(app)
        Compute(self.cloud, gate, rows, compute_url).routes(app)
        Servers(self.cloud, gate, rows).routes(app)
        Glance(self.cloud, gate, rows, image_url).routes(app)
        if self.cloud.settings.neutron:
            Neutron(self.cloud, gate, f"{self.url}/network").routes(app)
        Control(self, gate).routes(app)
        return app

    # -- from other threads ----------------------------------------------------------------------

    def expire_tokens(self) -> None:
        """None of those given out so far is good any more."""
        self.call(self.tokens.expire)


def _allow_many_files() -> None:
    """Each server's address is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def span(text: str) -> Span:
    """`2` or `1:3`, seconds."""
    low, _, high = text.partition(":")
    return (float(low), float(high)) if high else float(low)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, required=True, help="files of images and servers")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="RegionOne")
    parser.add_argument("--quota", type=int, default=10, help="instances; -1 is no limit")
    parser.add_argument("--boot-seconds", type=span, default=0.2, help="S or LEAST:MOST")
    parser.add_argument("--ssh-seconds", type=span, default=0.05, help="S or LEAST:MOST")
    parser.add_argument("--delete-seconds", type=span, default=0.1, help="S or LEAST:MOST")
    parser.add_argument("--snapshot-seconds", type=span, default=0.2, help="S or LEAST:MOST")
    parser.add_argument("--builders", type=int, help="servers that boot at once")
    parser.add_argument("--ssh-port", type=int, default=22)
    parser.add_argument("--no-ssh", action="store_true", help="addresses only")
    parser.add_argument(
        "--prefix",
        default="127.10",
        help="of servers' addresses; outside of 127 nobody gets to them but by a floating one",
    )
    parser.add_argument(
        "--no-descriptions", action="store_true", help="neutron keeps none of floating addresses"
    )
    parser.add_argument("--login-users", default="root", help="names with commas between")
    parser.add_argument(
        "--shared", type=Path, action="append", default=[], help="a folder that all servers see"
    )
    options = parser.parse_args(arguments)
    times = Times(
        boot=options.boot_seconds,
        ssh=options.ssh_seconds,
        delete=options.delete_seconds,
        snapshot=options.snapshot_seconds,
        builders=options.builders,
    )
    cloud = SandboxCloud(
        options.dir,
        quota=options.quota,
        times=times,
        port=options.port,
        region=options.region,
        ssh=not options.no_ssh,
        ssh_port=options.ssh_port,
        login_users=tuple(options.login_users.split(",")),
        shared=tuple(options.shared),
        prefix=options.prefix,
        descriptions=not options.no_descriptions,
    )
    with cloud:
        account = cloud.account()
        row = {"port": cloud.port, "url": cloud.url, "environment": account.environment()}
        print(json.dumps(row), flush=True)
        # Also where it was started from a shell's background, which ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
