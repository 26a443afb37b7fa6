"""WorkerHub: any number of worker connections to one server, served by one thread.

A bridge has a connection for each set of nodes that can do the same, and those sets change all day;
gear's worker wants two threads a connection and one waiting for jobs. Here one event loop has them
all. Whoever owns the hub calls its methods from any thread and hears news on the hub's thread.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from functools import partial
from secrets import SystemRandom
from typing import Final, NamedTuple, Protocol

from zuul.lib.gearman.packets import PacketType, ProtocolError
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
        """The link is connected and its functions are registered."""

    def link_lost(self, link: str, generation: int) -> None:
        """The connection ended; the server has given up the jobs that came by it."""

    def job_taken(self, ref: JobRef, job: TakenJob, taken: int) -> None:
        """A job was assigned, the `taken`th since the link was made."""


class WorkerHub:
    """Links, by name, to one server, which need not be there yet and may go and come back."""

    def __init__(
        self,
        host: str,
        port: int,
        listener: HubListener,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.listener = listener
        self.ssl_context = ssl_context
        #: What could not be reached was said once.
        self.complained = ""
        self._links: dict[str, _Link] = {}
        self._retired: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gearman-hub", daemon=True)
        self._generations = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Close every connection; jobs that are open are the server's to give up."""
        if self._thread.is_alive():
            self._call(lambda: self._loop.create_task(self._end()))
            self._thread.join(timeout_seconds)

    def open_link(self, link: str, client_id: str, functions: frozenset[str], total: int) -> None:
        """Make a link that connects by itself and may take `total` jobs."""
        self._call(lambda: self._open(link, client_id, functions, total))

    def set_functions(self, link: str, functions: frozenset[str]) -> None:
        """The link's functions from now on, followed by delta."""
        self._change(link, lambda session: session.set_functions(functions))

    def allow(self, link: str, total: int) -> None:
        """The link may take jobs until it has taken `total` since it was made."""
        self._change(link, lambda session: session.allow(total))

    def retire_link(self, link: str) -> None:
        """Take no more jobs; the connection is closed once its open jobs have been ended."""
        self._call(lambda: self._retire(link))

    def report(self, ref: JobRef, *packets: tuple[PacketType, tuple[bytes, ...]]) -> None:
        """Report on a job; dropped if its connection has been lost or the job has ended."""
        self._call(lambda: self._report(ref, packets))

    def flush(self, timeout_seconds: float) -> bool:
        """Whether everything asked before has been handed to the sockets in time."""
        done = threading.Event()
        self._call(done.set)
        return done.wait(timeout_seconds)

    # On the hub's thread.

    def next_generation(self) -> int:
        """A number no opening of any link has had."""
        self._generations += 1
        return self._generations

    def forget(self, link: _Link) -> None:
        """A retired link is through."""
        self._retired.discard(link)

    def _call(self, work: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(run_guarded, work, "gearman hub")
        except RuntimeError:
            log.debug("Gearman hub has ended, a wish comes too late")

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end(self) -> None:
        tasks = [link.end() for link in (*self._links.values(), *self._retired)]
        await asyncio.wait(tasks, timeout=2.0) if tasks else None
        # Once more round, for aborted transports to close their sockets.
        self._loop.call_later(0.01, self._loop.stop)

    def _open(self, name: str, client_id: str, functions: frozenset[str], total: int) -> None:
        if name in self._links:
            log.error("Gearman link is open already %s", fields(link=name))
            return
        link = self._links[name] = _Link(self, name, client_id)
        link.session.set_functions(functions)
        link.session.allow(total)
        link.start()

    def _change(self, name: str, change: Callable[[WorkerSession], bytes]) -> None:
        def work() -> None:
            if link := self._links.get(name):
                link.send(change(link.session))

        self._call(work)

    def _retire(self, name: str) -> None:
        if link := self._links.pop(name, None):
            self._retired.add(link)
            link.retire()

    def _report(
        self, ref: JobRef, packets: tuple[tuple[PacketType, tuple[bytes, ...]], ...]
    ) -> None:
        links = [link for link in self._retired if link.name == ref.link]
        if ref.link in self._links:
            links.append(self._links[ref.link])
        for link in links:
            if link.generation == ref.generation:
                data = [link.session.report(kind, ref.handle, *rest) for kind, rest in packets]
                link.send(b"".join(data))
                link.close_if_done()
                return
        log.info("Report on a job of a lost connection dropped %s", fields(link=ref.link))


class _Link(asyncio.Protocol):
    """One connection, opened again and again by a task until retired."""

    def __init__(self, hub: WorkerHub, name: str, client_id: str) -> None:
        self.name = name
        self.session = WorkerSession(client_id)
        self.generation = 0
        self._hub = hub
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._retired = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_open(), name=self.name)

    def end(self) -> asyncio.Task[None]:
        assert self._task is not None, "a link is started when it is made"
        if self._transport is not None:
            self._transport.abort()
        self._task.cancel()
        return self._task

    def retire(self) -> None:
        self._retired = True
        self.send(self.session.allow(0))
        self.send(self.session.set_functions(frozenset()))
        self.close_if_done()

    def close_if_done(self) -> None:
        if self._retired and not self.session.is_busy:
            if self._transport is not None:
                # Flushes what has been written before it closes.
                self._transport.close()
            elif self._task is not None:
                self._task.cancel()
            self._hub.forget(self)

    def send(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            log.error(
                "Gearman server does not read, connection given up %s", fields(link=self.name)
            )
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        run_guarded(partial(tune, transport.get_extra_info("socket")), "options of a socket")
        self.generation = self._hub.next_generation()
        self._lost.clear()
        self.send(self.session.connected())
        self._hub.listener.link_opened(self.name, self.generation)

    def data_received(self, data: bytes) -> None:
        try:
            jobs, answer = self.session.receive(data)
        except ProtocolError as error:
            log.error("Gearman server speaks no Gearman, connection given up: %s", error)
            if self._transport is not None:
                self._transport.abort()
            return
        taken = self.session.taken - len(jobs)
        for number, job in enumerate(jobs, start=taken + 1):
            ref = JobRef(self.name, self.generation, job.handle)
            self._hub.listener.job_taken(ref, job, number)
        self.send(answer)
        self.close_if_done()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.session.lost()
        self._lost.set()
        if not self._retired:
            reason = error or "closed by the server"
            log.warning("Lost Gearman server %s", fields(link=self.name, reason=reason))
        self._hub.listener.link_lost(self.name, self.generation)

    async def _keep_open(self) -> None:
        loop, hub = asyncio.get_running_loop(), self._hub
        pause = 0.0
        while not self._retired:
            opened_at = loop.time()
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.create_connection(
                        lambda: self, hub.host, hub.port, ssl=hub.ssl_context
                    )
                hub.complained = ""
                await self._lost.wait()
            except OSError as error:
                self._complain(str(error) or type(error).__name__)
            settled = loop.time() - opened_at > _SETTLED_SECONDS
            pause = 0.0 if settled else min(_MAX_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            await asyncio.sleep(max(pause, _FIRST_PAUSE_SECONDS) * _RANDOM.uniform(0.5, 1.0))
        self._hub.forget(self)

    def _complain(self, text: str) -> None:
        if text != self._hub.complained:
            self._hub.complained = text
            where = fields(host=self._hub.host, port=self._hub.port, reason=text)
            log.warning("Gearman server not reached, trying on %s", where)
