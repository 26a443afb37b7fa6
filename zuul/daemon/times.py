"""How long jobs took: state_dir/times/JOB, one small binary file a job, as sites have them.

The scheduler thread reads and writes memory only; a thread of its own writes the files.
"""

from __future__ import annotations

import logging
import os
import queue
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from zuul.lib.logs import fields
from zuul.lib.modes import make_folder
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.TimeDatabase")

#: version, 10 durations of successes, 10 of failures, 10 results; native alignment, 52 bytes
FORMAT = struct.Struct("B10H10H10B")
VERSION = 0
KEPT = 10
LONGEST = 0xFFFF


@dataclass(slots=True)
class JobTimes:
    """The last ten durations of a job in seconds, oldest first; 0 stands for "none"."""

    successes: deque[int] = field(default_factory=lambda: deque([0] * KEPT, KEPT))
    failures: deque[int] = field(default_factory=lambda: deque([0] * KEPT, KEPT))
    #: 0 success, 1 anything else
    results: deque[int] = field(default_factory=lambda: deque([0] * KEPT, KEPT))

    def add(self, seconds: float, result: str) -> None:
        """Compat: a duration has 16 bits; a longer one is stored as the longest there is."""
        elapsed = max(0, min(int(seconds), LONGEST))
        succeeded = result == "SUCCESS"
        (self.successes if succeeded else self.failures).append(elapsed)
        self.results.append(0 if succeeded else 1)

    def estimate_seconds(self) -> float | None:
        known = [seconds for seconds in self.successes if seconds]
        return sum(known) / len(known) if known else None

    def pack(self) -> bytes:
        return FORMAT.pack(VERSION, *self.successes, *self.failures, *self.results)

    @classmethod
    def unpack(cls, data: bytes) -> JobTimes:
        """Raises struct.error unless `data` is 52 bytes long."""
        values = FORMAT.unpack(data)
        return cls(
            deque(values[1 : 1 + KEPT], KEPT),
            deque(values[1 + KEPT : 1 + 2 * KEPT], KEPT),
            deque(values[1 + 2 * KEPT :], KEPT),
        )


class TimeDatabase:
    """BuildTimes of the core, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._times: dict[str, JobTimes] = {}
        self._lock = threading.Lock()
        self._changed: queue.Queue[tuple[str, bytes]] = queue.Queue(maxsize=100_000)
        self._writer = Loop("build times", self._write)

    def start(self) -> None:
        """Read all files and start the writer; creates the folder. Raises OSError, key named."""
        try:
            make_folder(self._folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(f"{self._folder} cannot be made (zuul.state_dir): {reason}") from error
        for path in self._folder.iterdir():
            if path.suffix == ".new" or not path.is_file():
                continue
            try:
                self._times[unquote(path.name)] = JobTimes.unpack(path.read_bytes())
            except struct.error:
                log.warning("A file of build times is damaged and ignored %s", fields(path=path))
        self._writer.start()

    def stop(self) -> None:
        self._writer.stop()
        self._write_all()

    def estimate_seconds(self, job: str) -> float | None:
        times = self._times.get(job)
        return times.estimate_seconds() if times else None

    def record(self, job: str, seconds: float, result: str) -> None:
        times = self._times.setdefault(job, JobTimes())
        times.add(seconds, result)
        try:
            self._changed.put_nowait((job, times.pack()))
        except queue.Full:
            log.warning("A build time is not written, too many wait %s", fields(job=job))

    def _write(self, stopping: threading.Event) -> None:
        try:
            job, data = self._changed.get(timeout=0.5)
        except queue.Empty:
            return
        self._write_one(job, data)

    def _write_all(self) -> None:
        while not self._changed.empty():
            self._write_one(*self._changed.get_nowait())

    def _write_one(self, job: str, data: bytes) -> None:
        path = self._folder / quote(job, safe=" ~@+=,;:!$&'()[]{}")
        new = path.with_name(path.name + ".new")
        new.write_bytes(data)
        os.replace(new, path)
