"""What a test can make the sandbox Gerrit do wrong. All of it may be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

#: Commands whose answers can be delayed or never come.
COMMANDS = ("query", "review", "submit", "stream-events", "rest", "version")


@dataclass(slots=True)
class Faults:
    """Knobs; the defaults are a server in good health."""

    #: command -> seconds before it answers
    delays: dict[str, float] = field(default_factory=dict)
    #: commands that never answer until they are taken out again
    stalled: set[str] = field(default_factory=set)
    #: texts for stderr; each refuses one submit that would have been accepted
    submit_refusals: list[str] = field(default_factory=list)
    #: (exit code, stderr), each used up by one review command before it does anything
    review_failures: list[tuple[int, str]] = field(default_factory=list)
    #: (exit code, stderr), each used up by one query
    query_failures: list[tuple[int, str]] = field(default_factory=list)
    #: asked for every vote (label, value, username): True drops it, though all looks well
    drop_vote: Callable[[str, int, str], bool] | None = None
    #: events happen but nobody hears of them
    stream_muted: bool = False
    #: new event streams are refused
    stream_refused: bool = False
    #: keys that query rows lack
    missing_keys: frozenset[str] = frozenset()
    #: query answers are cut after this many bytes
    query_cut_at: int | None = None
    #: a submit answers well, but nothing is merged
    submit_lies: bool = False
    #: seconds between a submit's answer and the branch's move, as with a slow replica
    merge_visible_after: float = 0.0
    #: REST calls answer with this HTTP status
    rest_status: int | None = None

    def clear(self) -> None:
        """Back to good health."""
        fresh = Faults()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
