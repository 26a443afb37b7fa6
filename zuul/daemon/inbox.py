"""What happened and was not handled yet, in three lanes: management, results, triggers.

The scheduler's one thread takes batches out; any thread puts events in. Triggers are the only lane
that outsiders can flood, so it is bounded: a driver that finds it full waits, and so reads no more
from its server. Results answer our own commands and are bounded by those.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from zuul.core.events import MANAGEMENT, Event, TriggerReceived

#: triggers that may wait before their drivers do
TRIGGER_LIMIT = 50_000
#: triggers handed out at once: results are not kept waiting behind a flood
TRIGGER_BATCH = 500


@dataclass(frozen=True, slots=True)
class QueueLengths:
    """For status.json."""

    trigger: int
    result: int


class Inbox:
    """The scheduler thread's mail."""

    def __init__(self, trigger_limit: int = TRIGGER_LIMIT) -> None:
        self._trigger_limit = trigger_limit
        self._changed = threading.Condition()
        self._management: deque[Event] = deque()
        self._results: deque[Event] = deque()
        self._triggers: deque[TriggerReceived] = deque()
        self._woken = False
        self._held = False
        self._closed = False

    def put(self, event: Event) -> None:
        """Add an event; blocks only for a trigger, and only while its lane is full."""
        with self._changed:
            if isinstance(event, TriggerReceived):
                self._changed.wait_for(self._has_room)
                self._triggers.append(event)
            elif isinstance(event, MANAGEMENT):
                self._management.append(event)
            else:
                self._results.append(event)
            self._changed.notify_all()

    def wake(self) -> None:
        """Let `take` return even if nothing happened."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def hold_triggers(self) -> None:
        """From now on triggers wait for the next start: `held_triggers` tells them."""
        with self._changed:
            self._held = True

    def close(self) -> None:
        """Nobody takes any more: whoever waits for room goes on at once."""
        with self._changed:
            self._closed = True
            self._woken = True
            self._changed.notify_all()

    def take(self, timeout_seconds: float) -> list[Event]:
        """Wait for something to happen, then give it: management, results, some triggers."""
        with self._changed:
            self._changed.wait_for(self._is_due, timeout_seconds)
            self._woken = False
            batch: list[Event] = [*self._management, *self._results]
            self._management.clear()
            self._results.clear()
            if not self._held:
                for _ in range(min(TRIGGER_BATCH, len(self._triggers))):
                    batch.append(self._triggers.popleft())
                self._changed.notify_all()
            return batch

    def held_triggers(self) -> list[TriggerReceived]:
        with self._changed:
            return list(self._triggers)

    def lengths(self) -> QueueLengths:
        return QueueLengths(len(self._triggers), len(self._results) + len(self._management))

    def _has_room(self) -> bool:
        return len(self._triggers) < self._trigger_limit or self._closed or self._held

    def _is_due(self) -> bool:
        triggers = bool(self._triggers) and not self._held
        return self._woken or triggers or bool(self._management or self._results)
