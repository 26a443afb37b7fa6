"""One link of a WorkerHub: the connection that takes jobs, and those that only end theirs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from functools import partial
from secrets import SystemRandom
from typing import Final, NamedTuple, Protocol

from zuul.lib.gearman.packets import ProtocolError
from zuul.lib.gearman.session import TakenJob, WorkerSession
from zuul.lib.gearman.sockets import tune
from zuul.lib.logs import fields
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.Gearman")

CONNECT_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0
#: A connection that lived so long was a good one: the next attempt comes without a long pause.
_SETTLED_SECONDS: Final = 5.0
#: A server that leaves so much unread is gone.
_UNREAD_BYTES: Final = 64 * 1024 * 1024
_RANDOM: Final = SystemRandom()


class JobRef(NamedTuple):
    """A job, named so that it cannot be mistaken for another, whatever the server's handles do."""

    link: str
    #: Which opening of the link's connection it came by.
    generation: int
    handle: bytes


class HubListener(Protocol):
    """Hears news on the hub's thread: it must not wait."""

    def link_opened(self, link: str, generation: int) -> None:
        """A connection of the link takes jobs; one set aside may still end its own."""

    def link_lost(self, link: str, generation: int) -> None:
        """That connection ended; the server has given up jobs of it that were open."""

    def job_taken(self, ref: JobRef, job: TakenJob, taken: int) -> None:
        """A job was assigned, the `taken`th since the link was made."""


class Hub(Protocol):
    """What a link needs of the hub that it belongs to, on the hub's thread."""

    host: str
    port: int
    ssl_context: ssl.SSLContext | None
    listener: HubListener
    #: What could not be reached was said once.
    complained: str
    #: Open connections by generation.
    wires: dict[int, Wire]

    def next_generation(self) -> int:
        """A number no connection has had."""

    def pause_of(self, link: Link) -> float:
        """Seconds to leave to the links that have more room, when all are woken for one job."""


class Link:
    """One connection that takes jobs, opened again and again, and those that only end theirs."""

    def __init__(
        self,
        hub: Hub,
        name: str,
        client_id: str,
        functions: frozenset[str],
        total: int,
        capacity: int | None,
    ) -> None:
        self.hub = hub
        self.name = name
        self.client_id = client_id
        self.functions = functions
        self.total = total
        self.capacity = capacity
        #: jobs taken since the link was made, over all connections
        self.taken = 0
        self._wire: Wire | None = None
        self._is_retired = False
        self._retired = asyncio.Event()

    def set_functions(self, functions: frozenset[str]) -> None:
        self.functions = functions
        if self._wire is not None:
            self._wire.follow()

    @property
    def room(self) -> int:
        """Jobs that it could do; 0 for one that does not compete."""
        return 0 if self.capacity is None else max(0, self.capacity - self.taken)

    def allow(self, total: int, capacity: int | None) -> None:
        self.total, self.capacity = total, capacity
        if self._wire is not None:
            self._wire.follow()

    def retire(self) -> None:
        self._is_retired = True
        self._retired.set()
        if self._wire is not None:
            self._wire.set_aside()

    def opened(self, wire: Wire) -> None:
        """The connection stands."""
        self._wire = wire
        self.hub.complained = ""
        self.hub.wires[wire.generation] = wire
        self.hub.listener.link_opened(self.name, wire.generation)
        if self._is_retired:
            wire.set_aside()

    def left(self, wire: Wire) -> None:
        """A connection takes no more jobs."""
        if self._wire is wire:
            self._wire = None

    async def keep_open(self) -> None:
        """Have a connection that takes jobs, until retired."""
        loop, hub = asyncio.get_running_loop(), self.hub
        pause = 0.0
        while not self._is_retired:
            wire, opened_at = Wire(self), loop.time()
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.create_connection(
                        lambda wire=wire: wire,
                        hub.host,
                        hub.port,
                        ssl=hub.ssl_context,
                    )
                await wire.has_left.wait()
            except OSError as error:
                self._complain(str(error) or type(error).__name__)
            if wire.is_aside:
                continue
            settled = loop.time() - opened_at > _SETTLED_SECONDS
            pause = 0.0 if settled else min(_MAX_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            await self._sleep(max(pause, _FIRST_PAUSE_SECONDS) * _RANDOM.uniform(0.5, 1.0))

    async def _sleep(self, seconds: float) -> None:
        # Not wait_for: Python 3.11's may swallow the cancellation of who waits.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._retired.wait()

    def _complain(self, text: str) -> None:
        if text != self.hub.complained:
            self.hub.complained = text
            where = fields(host=self.hub.host, port=self.hub.port, reason=text)
            log.warning("Gearman server not reached, trying on %s", where)


class Wire(asyncio.Protocol):
    """One connection, from its opening to its end."""

    def __init__(self, link: Link) -> None:
        self.session = WorkerSession(link.client_id)
        self.generation = 0
        #: It takes no more jobs, but has some to end.
        self.is_aside = False
        self.has_left = asyncio.Event()
        self._link = link
        #: jobs the link had taken when this connection was opened
        self._before = 0
        self._transport: asyncio.Transport | None = None
        self._is_closing = False
        self._turn: asyncio.TimerHandle | None = None
        self.session.defers = True

    def follow(self) -> None:
        """Do as the link wishes now."""
        wanted, session = self._link.functions, self.session
        if session.keeps(wanted):
            self.send(session.set_functions(wanted))
            self.send(session.allow(self._link.total - self._before))
            self._ask_in_turn()
            return
        # A job that is on its way has to be counted before a new connection takes the next.
        session.allow(0)
        if not session.is_asking:
            self.set_aside()

    def set_aside(self) -> None:
        """Take no more jobs, end those that are open, then close."""
        self.is_aside = True
        self.session.allow(0)
        self.send(self.session.set_functions(frozenset(self.session.open_jobs.values())))
        self._link.left(self)
        self.has_left.set()
        self.close_if_done()

    def close_if_done(self) -> None:
        if self.is_aside and not self.session.is_busy and self._transport is not None:
            self._is_closing = True
            # Sends what has been written before it closes.
            self._transport.close()

    def give_up(self) -> None:
        """Close at once."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def _ask_in_turn(self) -> None:
        """Ask for a job at once, or after the links that have more room."""
        if not self.session.is_woken or self._turn is not None:
            return
        pause = self._link.hub.pause_of(self._link)
        if pause:
            self._turn = asyncio.get_running_loop().call_later(pause, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        self._turn = None
        self.send(self.session.ask())

    def send(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            name = fields(link=self._link.name)
            log.error("Gearman server does not read, connection given up %s", name)
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        link = self._link
        run_guarded(partial(tune, transport.get_extra_info("socket")), "options of a socket")
        self.generation = link.hub.next_generation()
        self._before = link.taken
        self.session.set_functions(link.functions)
        self.session.allow(link.total - self._before)
        self.send(self.session.connected())
        link.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            jobs, answer = self.session.receive(data)
        except ProtocolError as error:
            log.error("Gearman server speaks no Gearman, connection given up: %s", error)
            if self._transport is not None:
                self._transport.abort()
            return
        link = self._link
        for job in jobs:
            link.taken += 1
            ref = JobRef(link.name, self.generation, job.handle)
            link.hub.listener.job_taken(ref, job, link.taken)
        self.send(answer)
        if not self.is_aside and self.session.functions != link.functions:
            self.follow()
        self._ask_in_turn()
        self.close_if_done()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        link = self._link
        link.hub.wires.pop(self.generation, None)
        link.left(self)
        self.has_left.set()
        if not self._is_closing:
            reason = error or "closed by the server"
            log.warning("Lost Gearman server %s", fields(link=link.name, reason=reason))
        link.hub.listener.link_lost(link.name, self.generation)
