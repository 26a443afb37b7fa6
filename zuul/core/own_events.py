"""What the core itself tells the pipelines of: the `zuul` trigger (contract zuul.md 2.4).

Whoever makes something happen notes it here; the scheduler hands it on once the queues have
settled, so that no enqueueing calls another.
"""

from __future__ import annotations

from collections import deque

from zuul.core.changes import ChangeTable
from zuul.core.commands import FindOpenChanges
from zuul.core.events import TriggerReceived
from zuul.model.change import Change, Changeish
from zuul.model.layout import Layout
from zuul.model.trigger import (
    PARENT_CHANGE_ENQUEUED,
    PROJECT_CHANGE_MERGED,
    ZUUL,
    own_event,
)


class OwnEvents:
    """Of one layout. What no pipeline wants to hear costs nothing."""

    def __init__(self, layout: Layout) -> None:
        self._heeds_parents = False
        #: projects with jobs in a pipeline that wants to hear of merges, by connection
        self._heeds_merges: set[tuple[str, str]] = set()
        self.waiting: deque[TriggerReceived] = deque()
        for pipeline in layout.pipelines:
            types = {t for each in pipeline.filters if each.trigger == ZUUL for t in each.types}
            self._heeds_parents |= PARENT_CHANGE_ENQUEUED in types
            if PROJECT_CHANGE_MERGED in types:
                self._heeds_merges |= {(pipeline.source, name) for name in pipeline.trees}

    def note_enqueued(
        self, changes: ChangeTable, pipeline: str, parent: Changeish, now: float
    ) -> None:
        """An item of `parent` has entered the pipeline: tell of the changes that need it."""
        if not self._heeds_parents or not isinstance(parent, Change):
            return
        for key in parent.needed_by:
            child = changes.find(key)
            if child is not None and child.is_open and child.is_current_patchset:
                event = own_event(PARENT_CHANGE_ENQUEUED, child, now, pipeline=pipeline)
                self.waiting.append(TriggerReceived(event, child))

    def note_merged(self, change: Changeish) -> FindOpenChanges | None:
        """A dependent pipeline has merged the change: what to ask for, if somebody cares."""
        if not isinstance(change, Change):
            return None
        if (change.key.connection, change.project) not in self._heeds_merges:
            return None
        return FindOpenChanges(change.key.connection, change.project, change.key)
