"""Offers: nodes offered over Gearman to whoever serves a target's node_assign (contract 9.4)."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from nodepool.config.values import ServerAddress
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers.gearman import admin_client, tls_context
from nodepool.drivers.jenkins_rows import description
from nodepool.model import MachineKey
from zuul.lib.clock import RandomIds
from zuul.lib.gearman import ClientJob, GearmanClient, Outcome
from zuul.lib.workers import Lanes

log = logging.getLogger("nodepool.Offers")

Inbox = Callable[[events.Event], None]
#: seconds for an offer to be taken and worked on: less than the core waits (launch_flow.TIMEOUTS)
ASSIGN_SECONDS, REVOKE_SECONDS = 840.0, 300.0
HANDLE_SECONDS = 300.0
STOP_SECONDS = 5.0
THREADS = 4
MOST_NAME = 255
MOST_DATA = 64 * 1024


class Offers:
    """`configure`, `start`, `stop`, `assign` and `revoke` from one thread; none of them waits."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        assign_seconds: float = ASSIGN_SECONDS,
        revoke_seconds: float = REVOKE_SECONDS,
        handle_seconds: float = HANDLE_SECONDS,
    ) -> None:
        self._inbox = inbox
        self._assign_seconds = assign_seconds
        self._revoke_seconds = revoke_seconds
        self._handle_seconds = handle_seconds
        self._ids = RandomIds()
        self._stopped = False
        self._lock = threading.Lock()
        self._servers: tuple[ServerAddress, ...] = ()
        #: made when first used: few sites offer nodes
        self._clients: dict[ServerAddress, GearmanClient] = {}
        self._lanes = Lanes("offers", THREADS)

    def start(self) -> None:
        self._lanes.start()

    def configure(self, servers: Sequence[ServerAddress]) -> None:
        """Jobs at a server that leaves end as lost."""
        with self._lock:
            self._servers = tuple(servers)
            gone = [self._clients.pop(each) for each in list(self._clients) if each not in servers]
        for client in gone:
            client.close()

    def stop(self) -> None:
        """Nothing is told after this."""
        self._stopped = True
        self._lanes.stop(STOP_SECONDS)
        self.configure(())

    def assign(self, call: commands.AssignNode) -> None:
        """Answers: Assigned, StepFailed."""
        node = call.node
        offer = _Offer(
            f"node_assign:{node.target}",
            {
                "name": node.nodename,
                "host": node.machines[0].ip or "",
                "description": description(node.label),
                "labels": node.label,
                "root": call.user_home,
            },
            lambda problem, data: self._assigned(call, problem, data),
        )
        self._submit(node.nodename, offer, self._assign_seconds)

    def revoke(self, call: commands.RevokeNode) -> None:
        """Nothing is answered."""
        function, name = f"node_revoke:{call.manager}", call.nodename

        def ended(problem: str, _data: bytes) -> None:
            if problem:
                log.info("%s of %s failed: %s", function, name, problem)

        self._submit(name, _Offer(function, {"name": name}, ended), self._revoke_seconds)

    def _submit(self, lane: str, offer: _Offer, seconds: float) -> None:
        try:
            self._lanes.submit(lane, lambda: self._send(offer, seconds), offer.function)
        except queue.Full as error:
            offer.end(str(error), b"")

    def _send(self, offer: _Offer, seconds: float) -> None:
        address = self._choose(offer.function)
        if address is None:
            offer.end("no Gearman server is configured", b"")
            return
        try:
            client = self._client_of(address)
            job = client.submit(offer.function, offer.payload, offer, unique=self._ids.new_id())
        except (OSError, ValueError, queue.Full) as error:
            offer.end(str(error), b"")
            return
        try:
            self._lanes.submit_later(
                seconds,
                ("end", id(job)),
                lambda: self._give_up(address, client, job, offer),
                offer.function,
            )
        except queue.Full as error:
            if client.abandon(job):
                offer.end(str(error), b"")

    def _client_of(self, address: ServerAddress) -> GearmanClient:
        """Raises OSError for certificates that cannot be used."""
        with self._lock:
            if address not in self._clients:
                self._clients[address] = GearmanClient(
                    "nodepool",
                    address.host,
                    address.port,
                    handle_timeout_seconds=self._handle_seconds,
                    ssl_context=tls_context(address),
                )
            return self._clients[address]

    def _choose(self, function: str) -> ServerAddress | None:
        """Of several servers the first at which somebody serves the function."""
        servers = self._servers
        for address in servers if len(servers) > 1 else ():
            try:
                with closing(admin_client(address)) as admin:
                    found = admin.status().get(function)
            except OSError as error:
                log.info("Gearman server %s:%d: %s", address.host, address.port, error)
                continue
            if found is not None and found.workers:
                return address
        return servers[0] if servers else None

    def _give_up(
        self, address: ServerAddress, client: GearmanClient, job: ClientJob, offer: _Offer
    ) -> None:
        """Nobody took it, or nobody ended it; it must not be taken after that."""
        if not client.abandon(job):
            return
        if job.handle is not None:
            try:
                with closing(admin_client(address)) as admin:
                    admin.cancel(job.handle)
            except OSError as error:
                log.info("%s could not be cancelled: %s", offer.function, error)
        offer.end("nobody took it in time", b"")

    def _assigned(self, call: commands.AssignNode, problem: str, data: bytes) -> None:
        node = call.node
        if self._stopped:
            return
        if not problem:
            self._inbox(events.Assigned(node.id, manager_of(data)))
            return
        text = f"node_assign:{node.target}: {problem}"
        log.warning("AssignNode of node %d failed: %s", node.id, text)
        self._inbox(events.StepFailed(MachineKey("node", node.id), Step.ASSIGN, text=text))


@dataclass(slots=True, eq=False)
class _Offer:
    """One job, and the listener of its news; `on_end` gets a problem, or "" and the last data."""

    function: str
    arguments: dict[str, str]
    on_end: Callable[[str, bytes], None]
    data: bytes = field(default=b"", repr=False)

    @property
    def payload(self) -> bytes:
        return json.dumps(self.arguments).encode()

    def end(self, problem: str, data: bytes) -> None:
        self.on_end(problem, data)

    def job_created(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_data(self, _job: ClientJob, data: bytes) -> None:
        self.data = data[:MOST_DATA]

    def job_status(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """Nobody asks."""

    def job_ended(self, _job: ClientJob, outcome: Outcome, data: bytes) -> None:
        if outcome is Outcome.COMPLETE:
            self.end("", data or self.data)
        else:
            self.end(f"the job ended as {outcome.value}", b"")


def manager_of(data: bytes) -> str | None:
    """Who took the node, of the last data of its job; None: it does not say."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    manager = found.get("manager") if isinstance(found, dict) else None
    if not isinstance(manager, str) or not 0 < len(manager) <= MOST_NAME:
        return None
    return manager
