"""What the core knows, and the few verbs that every part of it uses.

One `State` is owned by one `Scheduler`; the other modules are functions on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from zuul.core.agenda import Agenda
from zuul.core.changes import ChangeTable
from zuul.core.commands import Command
from zuul.core.messages import ReportOptions
from zuul.core.mutexes import Mutexes
from zuul.core.own_events import OwnEvents
from zuul.core.pipeline import Pipeline
from zuul.core.ports import BuildTimes, IdSource, Observer, Uploads
from zuul.model.brakes import Brakes
from zuul.model.build import BuildSet
from zuul.model.change import ChangeKey
from zuul.model.layout import ActionKind, Layout
from zuul.model.queue import QueueItem


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A build or a merge that is out, and whom its answer is for."""

    item: QueueItem
    build_set: BuildSet
    job: str = ""


@dataclass(frozen=True, slots=True)
class OpenReport:
    """A report that is out."""

    item: QueueItem
    kind: ActionKind
    #: the item leaves when it is back
    final: bool


class State:
    """Pipelines, the change table, what is out, and the outbox."""

    def __init__(
        self,
        ids: IdSource,
        times: BuildTimes,
        observer: Observer,
        options: ReportOptions,
        uploads: Uploads,
    ) -> None:
        self.ids = ids
        self.times = times
        self.observer = observer
        self.options = options
        self.uploads = uploads
        self.now = 0.0
        self.layout = Layout()
        #: epoch seconds of the last layout; None before the first
        self.reconfigured_at: float | None = None
        self.exiting = False
        self.pipelines: dict[str, Pipeline] = {}
        self.changes = ChangeTable()
        self.agenda = Agenda()
        self.mutexes = Mutexes()
        self.own_events = OwnEvents(self.layout)
        self.brakes = Brakes()
        self.builds: dict[str, Outstanding] = {}
        self.merges: dict[str, Outstanding] = {}
        self.reports: dict[str, OpenReport] = {}
        self._outbox: list[Command] = []

    def emit(self, command: Command) -> None:
        self._outbox.append(command)

    def take_commands(self) -> tuple[Command, ...]:
        commands = tuple(self._outbox)
        self._outbox.clear()
        return commands

    def pipeline_of(self, item: QueueItem) -> Pipeline:
        return self.pipelines[item.pipeline]

    def touch(self, item: QueueItem) -> None:
        """Something about the item changed: show it anew, and look at it again."""
        item.frozen = None
        if item.queue is not None:
            self.agenda.add(self.pipelines[item.pipeline].index, item)

    def held_keys(self) -> list[ChangeKey]:
        """Of every change that some item holds."""
        return [
            item.change.key
            for pipeline in self.pipelines.values()
            for item in pipeline.items()
            if isinstance(item.change.key, ChangeKey)
        ]
