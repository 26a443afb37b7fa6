"""WorkerHub: any number of worker connections to one server, served by one thread.

A bridge has a connection for each set of nodes that can do the same, and those sets change all day;
gear's worker wants two threads a connection and one waiting for jobs. Here one event loop has them
all. Whoever owns the hub calls its methods from any thread and hears news on the hub's thread.

A link may have several connections for a while. gearmand gives the open jobs of a function that is
unregistered to another worker, where they would run twice; so when a function goes whose job is
open, its connection is set aside to end its jobs, and a new one takes the next.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from typing import Final

from zuul.lib.gearman.hub_links import HubListener, JobRef, Link, Wire
from zuul.lib.gearman.packets import PacketType
from zuul.lib.logs import fields
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.Gearman")

#: what a link that asks leaves to the next one: longer than an answer takes nearby
_TURN_SECONDS: Final = 0.002
_MAX_TURN_SECONDS: Final = 0.02


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
        self._links: dict[str, Link] = {}
        #: Open connections by generation.
        self.wires: dict[int, Wire] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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

    def open_link(
        self,
        link: str,
        client_id: str,
        functions: frozenset[str],
        total: int,
        capacity: int | None = None,
    ) -> None:
        """Make a link that connects by itself and may take `total` jobs.

        Of links with a `capacity`, jobs that they could take since they were made, the one with
        the most of it left asks first; one without neither waits for others nor is waited for.
        """
        self._call(lambda: self._open(link, client_id, functions, total, capacity))

    def set_functions(self, link: str, functions: frozenset[str]) -> None:
        """The link's functions from now on, followed by delta."""
        self._change(link, lambda each: each.set_functions(functions))

    def allow(self, link: str, total: int, capacity: int | None = None) -> None:
        """The link may take jobs until it has taken `total` since it was made."""
        self._change(link, lambda each: each.allow(total, capacity))

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
        """A number no connection has had."""
        self._generations += 1
        return self._generations

    def pause_of(self, link: Link) -> float:
        """Seconds to leave to the links that have more room, when all are woken for one job.

        A server wakes in an order of its own, always the same: the first would get everything.
        """
        room = link.room
        if not room:
            return 0.0
        before = sum(each.room > room for each in self._links.values())
        return min(_MAX_TURN_SECONDS, _TURN_SECONDS * before)

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
        for task in self._tasks:
            task.cancel()
        for wire in list(self.wires.values()):
            wire.give_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        # Once more round, for aborted transports to close their sockets.
        self._loop.call_later(0.01, self._loop.stop)

    def _open(
        self,
        name: str,
        client_id: str,
        functions: frozenset[str],
        total: int,
        capacity: int | None,
    ) -> None:
        if name in self._links:
            log.error("Gearman link is open already %s", fields(link=name))
            return
        link = self._links[name] = Link(self, name, client_id, functions, total, capacity)
        task = self._loop.create_task(link.keep_open(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _change(self, name: str, change: Callable[[Link], None]) -> None:
        def work() -> None:
            if link := self._links.get(name):
                change(link)

        self._call(work)

    def _retire(self, name: str) -> None:
        if link := self._links.pop(name, None):
            link.retire()

    def _report(
        self, ref: JobRef, packets: tuple[tuple[PacketType, tuple[bytes, ...]], ...]
    ) -> None:
        wire = self.wires.get(ref.generation)
        if wire is None:
            log.info("Report on a job of a lost connection dropped %s", fields(link=ref.link))
            return
        data = [wire.session.report(kind, ref.handle, *rest) for kind, rest in packets]
        wire.send(b"".join(data))
        wire.close_if_done()
