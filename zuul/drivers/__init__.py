"""One remote system each. What the daemon asks of them stands here.

A driver talks to its system on threads of its own (zuul.lib.workers) and tells what happened by
putting core events into the inbox it was given; nothing it does blocks its caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from zuul.core.commands import SendReport
from zuul.core.events import Event, ReportCompleted
from zuul.model.change import Change, ChangeKey, Ref
from zuul.model.layout import ReportAction
from zuul.model.trigger import TriggerEvent

#: where a driver puts what happened; never blocks, any thread
Inbox = Callable[[Event], None]


class Interest(Protocol):
    """Tells whether looking an event up is worth a request. Any thread; cheap."""

    def wants(self, event: TriggerEvent) -> bool:
        """Whether a filter of the layout may want the event, or an item may be touched by it."""
        ...


class BranchHead(Protocol):
    """Reads a branch as it is now, through a merger."""

    def fetch_branch_head(
        self, project: str, connection: str, branch: str, timeout_seconds: float = ...
    ) -> tuple[str, str]:
        """(commit sha, tree sha) of the branch at its origin.

        Blocks the calling (driver) thread. Raises ConnectionLost when no merger answers in time,
        MergerError when it cannot tell.
        """
        ...


class Connection(Protocol):
    """A configured remote system."""

    name: str

    def start(self) -> None:
        """Open what must be open; returns at once, trouble is logged and retried."""
        ...

    def stop(self) -> None:
        """Close everything; returns within seconds."""
        ...


class Source(Connection, Protocol):
    """A connection that knows changes."""

    def git_url(self, project: str) -> str:
        """Where a merger clones the project from."""
        ...

    def look_up(
        self,
        number: str,
        patchset: str,
        make: Callable[[tuple[Change, ...]], Event],
        failed: Callable[[str], None],
    ) -> None:
        """A person asks for a change. What `make` makes of it and its relatives, the change first,
        goes into the inbox; or `failed` is told why not. One of both, once; any thread.

        Raises queue.Full."""
        ...

    def make_ref(self, project: str, ref: str, oldrev: str, newrev: str) -> Ref:
        """A ref of this connection that moved; nobody is asked whether it did."""
        ...

    def refresh(self, keys: tuple[ChangeKey, ...]) -> None:
        """Look the changes up again; ends in ChangesRefreshed."""
        ...

    def find_open(self, project: str, merged: ChangeKey) -> None:
        """Tell of the project's open changes but `merged`, each as an event of the zuul trigger."""
        ...


class Reporter(Connection, Protocol):
    """A connection that can be told how it went."""

    def report(
        self,
        request: SendReport,
        action: ReportAction,
        done: Callable[[ReportCompleted], None],
    ) -> None:
        """Send one reporter's share of a report.

        `done` is called exactly once, on any thread, within the driver's own bound. Reports on one
        change are sent in the order in which they were asked for. `request.submit` is acted on only
        if the action's parameters ask for a submit.
        """
        ...


class ActionSchema(Protocol):
    """A driver's part of the layout's schema: checks the parameters of its reporter or trigger."""

    def problems(self, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(key, what is wrong) pairs; empty if all is well."""
        ...
