"""CloudEdge: the core's calls to clouds, done on threads of each provider, answered as events."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Container, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from nodepool.config.values import ProviderConfig
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers.provider import Provider, ServerRequest, fault_of
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.server_watch import (
    SERVERS_EVERY,
    SHARE_OF_CALLS,
    Inbox,
    ServerWatch,
)
from nodepool.errors import ProviderError, ProviderRefused
from nodepool.model import Fault, MachineKey
from zuul.lib.workers import Lanes

log = logging.getLogger("nodepool.CloudEdge")

#: calls of one provider that may be under way at once
THREADS = 4
MOST_WAITING = 20_000
STOP_SECONDS = 10.0

CloudCall = (
    commands.CreateServer
    | commands.DeleteServer
    | commands.ConfirmGone
    | commands.AttachAddress
    | commands.DeleteAddress
    | commands.ReadLimits
    | commands.TakeSnapshot
    | commands.DeleteImage
    | commands.DeleteKeypair
)


@dataclass(slots=True)
class Account:
    """A provider at work."""

    config: ProviderConfig
    provider: Provider
    watch: ServerWatch
    lanes: Lanes

    def stop(self, timeout_seconds: float = 10.0) -> None:
        self.provider.close()
        self.watch.stop(timeout_seconds)
        self.lanes.stop(timeout_seconds)


class CloudEdge:
    """All clouds. `configure`, `start` and `stop` from one thread; `submit` from it too.

    Calls on one server, image or key pair keep their order; others of a provider start in order
    but do not wait for each other's answers. Providers share nothing.
    """

    def __init__(
        self,
        inbox: Inbox,
        make_provider: Callable[[ProviderConfig], Provider],
        keys: KeyRing,
        *,
        on_created: Callable[[MachineKey, Callable[[], str]], None] | None = None,
        list_every: float | None = None,
    ) -> None:
        """`on_created` is told of each new server, with a function that reads its console and
        raises ProviderError. `list_every`: seconds; None: as often as the provider's rate
        allows."""
        self._inbox = inbox
        self._make_provider = make_provider
        self._keys = keys
        self._on_created = on_created
        self._list_every = list_every
        self._accounts: dict[str, Account] = {}

    def configure(self, configs: Mapping[str, ProviderConfig]) -> None:
        """Start, change and end providers; one whose cloud is the same goes on as it is.

        Waits for nothing: the threads of one that ends do so once their calls are answered.
        """
        for name, account in list(self._accounts.items()):
            wanted = configs.get(name)
            if wanted is not None and wanted.cloud == account.config.cloud:
                account.config = wanted
                account.watch.has_floating_ips = wanted.has_floating_ips
                account.provider.configure(wanted)
            else:
                del self._accounts[name]
                account.stop(0.0)
        for name, config in configs.items():
            if name not in self._accounts:
                self._accounts[name] = self._start(config)

    def _start(self, config: ProviderConfig) -> Account:
        provider = self._make_provider(config)
        watch = ServerWatch(
            config.name,
            provider,
            self._inbox,
            has_floating_ips=config.has_floating_ips,
            every=self._list_every or max(SERVERS_EVERY, SHARE_OF_CALLS * config.cloud.rate),
        )
        lanes = Lanes(f"cloud-{config.name}", THREADS, limit=MOST_WAITING)
        account = Account(config, provider, watch, lanes)
        lanes.start()
        watch.start()
        return account

    def expect(self, servers: Container[str], images: Container[str]) -> None:
        """Providers of whose servers, or images, something waits to hear; the others are asked
        less often."""
        for name, account in self._accounts.items():
            account.watch.expect(name in servers, name in images)

    def stop(self) -> None:
        """Within seconds: calls that are still under way are left to themselves."""
        accounts, self._accounts = self._accounts, {}
        for account in accounts.values():
            account.stop(0.0)
        deadline = time.monotonic() + STOP_SECONDS
        for account in accounts.values():
            account.stop(max(0.0, deadline - time.monotonic()))

    def submit(self, call: CloudCall) -> None:
        account = self._accounts.get(call.provider)
        what = f"{type(call).__name__} in {call.provider}"
        if account is None:
            text = f"Provider {call.provider} is not configured"
            self._failed(call, ProviderRefused(text, provider=call.provider))
            return
        try:
            account.lanes.submit(lane_of(call), lambda: self._run(account, call), what)
        except queue.Full as error:
            self._failed(call, ProviderRefused(str(error), provider=call.provider))

    def _run(self, account: Account, call: CloudCall) -> None:
        try:
            _DEEDS[type(call)](self, account, call)
        except ProviderError as error:
            self._failed(call, error)

    # -- deeds -------------------------------------------------------------------------------------

    def _create(self, account: Account, call: commands.CreateServer) -> None:
        provider = account.provider
        if call.keypair is not None:
            try:
                provider.create_keypair(call.keypair, self._keys.make(call.keypair))
            except ProviderError as error:
                # the server was not asked for, whatever became of the key pair
                raise ProviderRefused(str(error), provider=call.provider) from error
        keypair = call.keypair
        if keypair is None and call.key.kind == "image":
            keypair = account.config.keypair
        request = ServerRequest(
            call.hostname, call.image, call.owner, call.az, call.external_id, keypair
        )
        server_id = provider.create_server(request)
        if self._on_created is not None:
            self._on_created(call.key, lambda: provider.console_log(server_id))
        self._inbox(events.ServerCreated(call.key, server_id))

    def _delete(self, account: Account, call: commands.DeleteServer) -> None:
        try:
            gone = _delete_addresses(account, call)
        except ProviderError as error:
            # What is in its row, or marked and so in a list some day, may go after its server.
            if call.floating_ip is None and not account.watch.sees_marks:
                raise
            text = "Server %s in provider %s goes before its floating IP, which cannot now: %s"
            log.warning(text, call.server_id, call.provider, error)
            account.watch.expect_addresses()
        else:
            for floating_ip in gone:
                self._inbox(events.AddressGone(call.provider, floating_ip))
        if not account.provider.delete_server(call.server_id):
            self._inbox(events.ServerGone(call.provider, call.server_id))

    def _confirm(self, account: Account, call: commands.ConfirmGone) -> None:
        kind = (
            events.ServerSeen if account.provider.has_server(call.server_id) else events.ServerGone
        )
        self._inbox(kind(call.provider, call.server_id))

    def _attach(self, account: Account, call: commands.AttachAddress) -> None:
        account.watch.expect_addresses()
        floating_ip, address = account.provider.attach_address(call.server_id, call.owner)
        account.watch.sees_marks |= floating_ip.owner is not None
        self._inbox(events.AddressAttached(call.key, floating_ip.id, address))

    def _delete_address(self, account: Account, call: commands.DeleteAddress) -> None:
        account.provider.delete_address(
            call.floating_ip, only_unattached=True, or_of=call.server_id
        )
        self._inbox(events.AddressGone(call.provider, call.floating_ip))

    def _read_limits(self, account: Account, call: commands.ReadLimits) -> None:
        account.watch.read_limits()

    def _snapshot(self, account: Account, call: commands.TakeSnapshot) -> None:
        image = account.provider.take_snapshot(call.server_id, call.name, call.owner, call.meta)
        account.watch.expect_images()
        self._inbox(events.SnapshotTaken(call.image_id, image))

    def _delete_image(self, account: Account, call: commands.DeleteImage) -> None:
        account.watch.expect_images()
        if account.provider.delete_image(call.external_id):
            self._inbox(events.ImageGone(call.image_id))
        else:
            self._inbox(events.ImageDeleteFailed(call.image_id, "It is still being deleted"))

    def _delete_keypair(self, account: Account, call: commands.DeleteKeypair) -> None:
        account.provider.delete_keypair(call.name)
        self._keys.forget(call.name)
        self._inbox(events.KeypairGone(call.image_id))

    # -- failures ----------------------------------------------------------------------------------

    def _failed(self, call: CloudCall, error: ProviderError) -> None:
        log.warning("%s failed in provider %s: %s", type(call).__name__, call.provider, error)
        answer = failure_of(call, fault_of(error), str(error))
        if answer is not None:
            self._inbox(answer)


def _delete_addresses(account: Account, call: commands.DeleteServer) -> tuple[str, ...]:
    provider = account.provider
    if call.floating_ip is not None:
        provider.delete_address(call.floating_ip)
        return (call.floating_ip,)
    if account.config.has_floating_ips:
        return provider.delete_addresses_of(call.server_id)
    if call.has_unknown:
        # An account that may not even look has none.
        with suppress(ProviderRefused):
            return provider.delete_addresses_of(call.server_id)
    return ()


def lane_of(call: CloudCall) -> Hashable:
    """Calls of one lane keep their order."""
    match call:
        case commands.CreateServer():
            return call.key
        case commands.DeleteServer() | commands.ConfirmGone() | commands.AttachAddress():
            return ("server", call.server_id)
        case commands.DeleteAddress():
            return ("address", call.floating_ip)
        case commands.ReadLimits():
            return "limits"
    return MachineKey("image", call.image_id)


def failure_of(call: CloudCall, fault: Fault, text: str) -> events.Event | None:
    """The answer to a call that failed; None where commands.py promises none."""
    match call:
        case commands.CreateServer():
            return events.CreateFailed(call.key, fault, text)
        case commands.DeleteServer():
            return events.DeleteFailed(call.provider, call.server_id, fault, text)
        case commands.AttachAddress():
            return events.StepFailed(call.key, Step.ADDRESS, "error.network", text)
        case commands.TakeSnapshot():
            key = MachineKey("image", call.image_id)
            return events.StepFailed(key, Step.SNAPSHOT, "error.unknown", text)
        case commands.DeleteImage():
            return events.ImageDeleteFailed(call.image_id, text)
    return None


_DEEDS: dict[type[CloudCall], Callable[..., None]] = {
    commands.CreateServer: CloudEdge._create,
    commands.DeleteServer: CloudEdge._delete,
    commands.ConfirmGone: CloudEdge._confirm,
    commands.AttachAddress: CloudEdge._attach,
    commands.DeleteAddress: CloudEdge._delete_address,
    commands.ReadLimits: CloudEdge._read_limits,
    commands.TakeSnapshot: CloudEdge._snapshot,
    commands.DeleteImage: CloudEdge._delete_image,
    commands.DeleteKeypair: CloudEdge._delete_keypair,
}
