"""JournalWriter: the thread that writes the journal, many rows at once, and tells what is safe."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from gearman_plugin_shim.commands import Command, ForgetBuilds, KeepBuild
from gearman_plugin_shim.errors import JournalError
from gearman_plugin_shim.events import BuildKept, Event
from gearman_plugin_shim.journal import Journal, Row
from gearman_plugin_shim.rows import row_state
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.ShimJournal")

JournalCommand = KeepBuild | ForgetBuilds
_MOST_AT_ONCE: Final = 500


class JournalWriter:
    """Owns the journal once started."""

    def __init__(self, journal: Journal, tell: Callable[[Event], None]) -> None:
        self._journal = journal
        self._tell = tell
        # Without a limit of its own: the bridge asks for rows of builds that it has taken.
        self._queue: queue.SimpleQueue[JournalCommand] = queue.SimpleQueue()
        self._loop = Loop("journal", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Write what waits, and close."""
        self._loop.stop()
        while self._write(0.0):
            pass
        self._journal.close()

    def execute(self, command: JournalCommand) -> None:
        self._queue.put(command)

    def _turn(self, _stopping: threading.Event) -> None:
        self._write(0.25)

    def _write(self, wait_seconds: float) -> bool:
        """Carry out what waits, in one transaction; False if there is nothing."""
        try:
            batch = [self._queue.get(timeout=wait_seconds)]
        except queue.Empty:
            return False
        while len(batch) < _MOST_AT_ONCE and not self._queue.empty():
            batch.append(self._queue.get())
        kept = [command for command in batch if isinstance(command, KeepBuild)]
        error = self._keep(kept)
        for each in kept:
            self._tell(BuildKept(each.row.uuid, each.serial, error))
        for command in batch:
            if isinstance(command, ForgetBuilds):
                self._forget(command.before)
        return True

    def _keep(self, commands: list[KeepBuild]) -> str | None:
        rows = [
            Row(each.row.uuid, each.row.master, row_state(each.row), each.row.finished_at)
            for each in commands
        ]
        try:
            self._journal.write(rows)
        except JournalError as error:
            log.error("Builds cannot be kept: %s", error)
            return str(error)
        return None

    def _forget(self, before: float) -> None:
        try:
            count = self._journal.prune(before)
        except JournalError as error:
            log.warning("Old builds were not dropped: %s", error)
        else:
            log.debug("Old builds dropped from the journal count=%d", count)


def is_for_journal(command: Command) -> bool:
    return isinstance(command, KeepBuild | ForgetBuilds)
