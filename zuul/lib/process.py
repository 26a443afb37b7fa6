"""The process: foreground or daemon, its PID file, its signals, and where its threads are.

No work is done in a signal handler: it puts the signal on a queue, and whoever waits on the queue
acts, in a thread of their choice, at a time when nothing is half done.
"""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from daemon import DaemonContext

#: files are written for the owner and readable by all; the originals' 0 let everyone write
DAEMON_UMASK = 0o022
PIDFILE_WAIT_SECONDS = 10.0
_PIDFILE_POLL_SECONDS = 0.1
#: how long the operator's command waits for a daemon to serve
START_SECONDS = 300.0
_STARTED = b"\0"
#: fits into a pipe whether or not anyone reads
_LONGEST_COMPLAINT = 60_000

STACK_DUMP_LOGGER = "zuul.stack_dump"


class AlreadyRunning(Exception):
    """Another process holds the PID file."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is locked: {who} is running already")


class PidFile:
    """A file that holds the process id and is locked as long as the process lives.

    The lock is the kernel's, so a file left behind by a crash stops nobody. `acquire` is called
    before the process detaches, for the operator to see the refusal; `write` after, by the daemon,
    which inherits the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def fileno(self) -> int:
        if self._descriptor is None:
            raise ValueError("the PID file is not open")
        return self._descriptor

    def acquire(self, timeout_seconds: float = PIDFILE_WAIT_SECONDS) -> None:
        """Lock the file; raises AlreadyRunning after the time, OSError if it cannot be made."""
        deadline = time.monotonic() + timeout_seconds
        while not self._try_lock():
            if time.monotonic() >= deadline:
                raise AlreadyRunning(self.path, self._read_pid())
            time.sleep(_PIDFILE_POLL_SECONDS)

    def write(self) -> None:
        """Put this process's id into the file."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Remove the file and its lock."""
        if self._descriptor is not None:
            # Removed first: whoever opens the path from here on makes a file of their own.
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _try_lock(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between our open and our lock.
            if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if self._descriptor != descriptor:
                os.close(descriptor)
        return False

    def _read_pid(self) -> int | None:
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


@contextmanager
def running(
    *, foreground: bool, pidfile: Path, timeout_seconds: float = PIDFILE_WAIT_SECONDS
) -> Iterator[Callable[[], None]]:
    """Become what the operator asked for: this process as it is, or a daemon with a PID file.

    To be entered before the first thread is started and the first socket opened, as a fork leaves
    threads behind and a daemon closes what it inherits. Gives a function to be called once the
    program serves: until then the operator's command waits. An exception before that is printed
    there, and is its exit status 1. Raises AlreadyRunning or OSError at once.
    """
    if foreground:
        # What a daemon writes is never for others to change, wherever it was started from.
        os.umask(os.umask(DAEMON_UMASK) | DAEMON_UMASK)
        yield lambda: None
        return
    lock = PidFile(pidfile.absolute())
    lock.acquire(timeout_seconds)
    herald = _become_daemon(lock)
    try:
        yield herald.tell_started
    except BaseException as error:
        herald.tell_failed(error)
        raise
    finally:
        herald.close()
        lock.release()


def _become_daemon(lock: PidFile) -> _Herald:
    """Returns in the daemon alone; the process that called ends here, with the right status."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    if os.fork() > 0:
        os.close(writer)
        os._exit(_wait_for_start(reader))
    os.close(reader)
    context = DaemonContext(
        files_preserve=[lock.fileno(), writer], umask=DAEMON_UMASK, signal_map={}
    )
    context.open()
    lock.write()
    return _Herald(writer)


def _wait_for_start(reader: int) -> int:
    """The exit status of the operator's command; what the daemon complains of goes to stderr."""
    deadline = time.monotonic() + START_SECONDS
    heard = b""
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(reader, 4096)
        heard += piece
        if _STARTED in heard:
            return 0
        if not piece:
            sys.stderr.write(heard.decode("utf-8", "replace") or "It ended before it served.\n")
            break
    else:
        sys.stderr.write(f"It does not serve after {START_SECONDS:.0f} seconds; see its log.\n")
    sys.stderr.flush()
    return 1


class _Herald:
    """The daemon's end of a pipe to the command that the operator waits for."""

    def __init__(self, writer: int) -> None:
        self._writer: int | None = writer

    def tell_started(self) -> None:
        self._tell(_STARTED)

    def tell_failed(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        self._tell(f"{text}\n".encode("utf-8", "replace")[:_LONGEST_COMPLAINT])

    def close(self) -> None:
        self._tell(b"")

    def _tell(self, message: bytes) -> None:
        """Say one thing, the first that there is to say."""
        if self._writer is None:
            return
        # Whoever waited may have been interrupted: that is no reason to end.
        with suppress(BrokenPipeError):
            os.write(self._writer, message)
        os.close(self._writer)
        self._writer = None


class SignalQueue:
    """Signals as values, in the order of arrival; a context manager, for the main thread only.

    A signal that is not among `signals` keeps its meaning.
    """

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = tuple(signals)
        # SimpleQueue, as its put may interrupt another put: a handler runs between any two steps.
        self._queue: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
        #: seen by `is_coming`, and still to be waited for
        self._seen: deque[signal.Signals] = deque()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in self._signals:
            self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self._before.clear()

    def wait(self, timeout_seconds: float) -> signal.Signals | None:
        """The next signal, or None when the time is over."""
        if self._seen:
            return self._seen.popleft()
        return self._next(timeout_seconds)

    def is_coming(self, wanted: signal.Signals, timeout_seconds: float) -> bool:
        """Whether that signal waits or comes within the time. Takes no signal away from `wait`."""
        deadline = time.monotonic() + timeout_seconds
        while wanted not in self._seen:
            found = self._next(max(0.0, deadline - time.monotonic()))
            if found is None:
                return False
            self._seen.append(found)
        return True

    def _next(self, timeout_seconds: float) -> signal.Signals | None:
        try:
            return self._queue.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def put(self, number: signal.Signals) -> None:
        """As if the signal had come; any thread."""
        self._queue.put(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._queue.put(signal.Signals(number))


def dump_stacks(logger: str = STACK_DUMP_LOGGER) -> None:
    """Log where every thread is, one record a thread, to the logger operators know it by."""
    log = logging.getLogger(logger)
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for ident, frame in sorted(sys._current_frames().items()):
        thread = threads.get(ident)
        name = thread.name if thread else "unknown to Python"
        kind = " daemon" if thread and thread.daemon else ""
        stack = "".join(traceback.format_stack(frame)).rstrip()
        log.debug("Thread: %s %s%s\n%s", name, ident, kind, stack)
