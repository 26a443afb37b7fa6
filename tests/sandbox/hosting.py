"""A sandbox service on a thread and an event loop of its own, which other threads start, ask and
stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from tests.sandbox.process import Block

T = TypeVar("T")
HOST = "127.0.0.1"
#: A call from another thread that takes longer than this is a bug.
CALL_SECONDS = 60.0


class Hosted(Block):
    """start() and stop(), any number of times, or a `with` block. A subclass says in `_serve` what
    happens meanwhile."""

    _loop: asyncio.AbstractEventLoop
    _stopping: asyncio.Event

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    async def _serve(self) -> None:
        """Listen, call `_is_up`, wait for `_stopping`, and close what was opened."""
        raise NotImplementedError

    def _is_up(self) -> None:
        self._ready.set()

    def start(self) -> Self:
        """Returns when it listens; raises what kept it from that."""
        assert self._thread is None, "it runs already"
        self._ready.clear()
        self._failure = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        if not self._ready.wait(CALL_SECONDS):
            raise TimeoutError(f"{self._name} did not start")
        failure: BaseException | None = self._failure
        if failure is not None:
            self._thread = None
            raise failure
        return self

    def stop(self) -> None:
        """Close every connection and end the thread; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(CALL_SECONDS)
        if thread.is_alive():
            raise TimeoutError(f"{self._name} did not stop")

    def end(self) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_until_stopped())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                logging.getLogger(self._name).exception("%s ended", self._name)
        finally:
            self._ready.set()
            self._loop.run_until_complete(_cancel_others())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve_until_stopped(self) -> None:
        self._stopping = asyncio.Event()
        await self._serve()

    # -- from other threads ----------------------------------------------------------------------

    def call(self, function: Callable[[], T]) -> T:
        """What the function returns on the loop; at once while it does not run."""
        if self._thread is None:
            return function()

        async def run() -> T:
            return function()

        return self.call_async(run)

    def call_async(self, function: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_SECONDS)


def bound(port: int) -> socket.socket:
    """A listening address whose connections answer at once (TCP_NODELAY is inherited)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((HOST, port))
    return sock


async def _cancel_others() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
