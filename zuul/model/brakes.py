"""Brakes: what people have stopped from merging.

A freeze stops a pipeline, a project or both, a hold one change. Neither touches a build: what
waits behind a brake is tested as always, and merges once it is released.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zuul.model.change import Change, Changeish, ChangeKey


@dataclass(frozen=True, slots=True)
class Freeze:
    """Nothing merges in the pipeline, of the project, or at all."""

    #: None: every pipeline that merges
    pipeline: str | None
    #: None: every project
    project: str | None
    reason: str
    #: `user@host` as the client says it
    by: str = ""
    #: epoch seconds
    at: float = 0.0

    @property
    def scope(self) -> tuple[str | None, str | None]:
        return (self.pipeline, self.project)

    @property
    def text(self) -> str:
        return f"{describe_scope(self.pipeline, self.project)} is frozen: {self.reason}"


@dataclass(frozen=True, slots=True)
class Hold:
    """One change does not merge in one pipeline."""

    pipeline: str
    number: str
    #: None: whichever is current
    patchset: str | None
    reason: str
    by: str = ""
    at: float = 0.0

    @property
    def scope(self) -> tuple[str, str, str | None]:
        return (self.pipeline, self.number, self.patchset)

    @property
    def change(self) -> str:
        """`N` or `N,P`, as people write it."""
        return self.number if self.patchset is None else f"{self.number},{self.patchset}"

    @property
    def text(self) -> str:
        return f"the change is held: {self.reason}"


def describe_scope(pipeline: str | None, project: str | None) -> str:
    """What a freeze freezes, in words."""
    if project is None:
        return "everything" if pipeline is None else f"pipeline {pipeline}"
    return f"project {project}" + ("" if pipeline is None else f" in pipeline {pipeline}")


class Brakes:
    """All freezes and holds. They belong to names, not to queues: a reload does not lose them."""

    def __init__(self) -> None:
        self.freezes: dict[tuple[str | None, str | None], Freeze] = {}
        self.holds: dict[tuple[str, str, str | None], Hold] = {}

    def restore(self, freezes: Iterable[Freeze], holds: Iterable[Hold]) -> None:
        """Those of an earlier process; what is there already stays."""
        for freeze in freezes:
            self.freezes.setdefault(freeze.scope, freeze)
        for hold in holds:
            self.holds.setdefault(hold.scope, hold)

    def of_pipeline(self, pipeline: str) -> tuple[Freeze, ...]:
        """The freezes that concern a pipeline."""
        return tuple(f for f in self.freezes.values() if f.pipeline in (None, pipeline))

    def find(self, pipeline: str, change: Changeish) -> Freeze | Hold | None:
        """What keeps the change from merging in the pipeline, if anything does."""
        project = change.project
        for scope in ((None, None), (pipeline, None), (None, project), (pipeline, project)):
            if scope in self.freezes:
                return self.freezes[scope]
        if isinstance(change, Change) and self.holds:
            return self._find_hold(pipeline, change.key)
        return None

    def _find_hold(self, pipeline: str, key: ChangeKey) -> Hold | None:
        return self.holds.get((pipeline, key.number, None)) or self.holds.get(
            (pipeline, key.number, key.patchset)
        )
