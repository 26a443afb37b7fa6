"""An OpenStack for tests and the demo: keystone v3, nova, glance v2 and a little of neutron over
HTTP on loopback, and servers that are loopback addresses with an SSH server behind each.

The cloud runs on a thread and event loop of its own; the methods of SandboxCloud may be called
from any other thread. What it knows is kept while the object lives: it may be stopped and started
again on the same port. As a program:
`python -m tests.sandbox.nova --dir D [--port N] [--quota N] [--boot-seconds S] ...`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import resource
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from aiohttp import web

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

T = TypeVar("T")
HOST = "127.0.0.1"
#: A call from another thread that takes longer than this is a bug.
CALL_SECONDS = 60.0
#: The largest upload, in bytes.
MOST_BYTES = 1 << 30
MOST_FILES = 65_536


class SandboxCloud(People):
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
        seed: int = 1,
    ) -> None:
        """`ssh` off is addresses only, for benches. A key pair named at the create call may log
        in as each of `login_users`. `shared` are folders of this machine that all servers see.
        `floating_pool` None is a cloud without floating addresses."""
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
        )
        self.cloud = Cloud(settings, self.faults)
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stopping: asyncio.Event
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

    def start(self) -> SandboxCloud:
        """Listen; on the same port as before, if it was started before."""
        assert self._thread is None, "it runs already"
        _allow_many_files()
        self._ready.clear()
        self._failure = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="sandbox-nova", daemon=True)
        self._thread.start()
        if not self._ready.wait(CALL_SECONDS):
            raise TimeoutError("the sandbox cloud did not start")
        if self._failure is not None:
            self._thread = None
            raise self._failure
        return self

    def stop(self) -> None:
        """The API is refused, SSH is cut, commands are killed; what there is is kept. May be
        called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(CALL_SECONDS)
        if thread.is_alive():
            raise TimeoutError("the sandbox cloud did not stop")

    def __enter__(self) -> SandboxCloud:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._run())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                logging.getLogger("sandbox.nova").exception("the sandbox cloud ended")
        finally:
            self._ready.set()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _run(self) -> None:
        self._stopping = asyncio.Event()
        sock = _bound(self.port)
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
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()
        await self.cloud.lives.end()
        await _cancel_others()

    def _application(self) -> web.Application:
        gate = Gate(self.faults, self.requests, self.tokens)
        compute_url, image_url = f"{self.url}/compute", f"{self.url}/image"
        rows = Rows(compute_url, image_url)
        app = web.Application(middlewares=[gate.middleware()], client_max_size=MOST_BYTES)
        Keystone(self.cloud, gate, self.url, self.region).routes(app)
        Compute(self.cloud, gate, rows, compute_url).routes(app)
        Servers(self.cloud, gate, rows).routes(app)
        Glance(self.cloud, gate, rows, image_url).routes(app)
        Neutron(self.cloud, gate, f"{self.url}/network").routes(app)
        Control(self, gate).routes(app)
        return app

    # -- from other threads ----------------------------------------------------------------------

    def expire_tokens(self) -> None:
        """None of those given out so far is good any more."""
        self.call(self.tokens.expire)

    def call(self, function: Callable[[], T]) -> T:
        """On the loop; at once while the cloud is not running."""
        if self._thread is None:
            return function()

        async def run() -> T:
            return function()

        return self.call_async(run)

    def call_async(self, function: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_SECONDS)


def _bound(port: int) -> socket.socket:
    """A listening address whose connections answer at once (TCP_NODELAY is inherited)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((HOST, port))
    return sock


def _allow_many_files() -> None:
    """Each server's address is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _cancel_others() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
    parser.add_argument("--login-users", default="root", help="names with commas between")
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
    )
    with cloud:
        account = cloud.account()
        row = {"port": cloud.port, "url": cloud.url, "environment": account.environment()}
        print(json.dumps(row), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
