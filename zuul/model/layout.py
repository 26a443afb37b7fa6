"""A layout, expanded: plain frozen data, no driver objects, safe to share between threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from zuul.model.job import Job, JobTree
from zuul.model.matching import ChangeFilter, EventFilter


class Precedence(IntEnum):
    """Gearman priority, numbered as Zuul numbers them."""

    NORMAL = 0
    LOW = 1
    HIGH = 2


class MergeMode(IntEnum):
    """How the merger merges, numbered as on the wire (contract zuul.md 6.1)."""

    MERGE = 1
    MERGE_RESOLVE = 2
    CHERRY_PICK = 3


class Manager(Enum):
    """A pipeline's policy; values are the layout's words."""

    INDEPENDENT = "IndependentPipelineManager"
    DEPENDENT = "DependentPipelineManager"


class Growth(Enum):
    """How a window grows or shrinks."""

    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class ActionKind(Enum):
    """When a pipeline reports."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    MERGE_FAILURE = "merge-failure"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class ReportAction:
    """One reporter of one action: which connection is told, and with what parameters."""

    connection: str
    #: as written in the layout, e.g. {"verified": 2, "submit": True}
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """How many items from the head of a queue may run; 0 is unlimited."""

    start: int = 20
    floor: int = 3
    increase: Growth = Growth.LINEAR
    increase_factor: int = 1
    decrease: Growth = Growth.EXPONENTIAL
    decrease_factor: int = 2


@dataclass(frozen=True, slots=True)
class SharedQueue:
    """Projects of a dependent pipeline whose changes merge in one order."""

    name: str
    #: sorted
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """One pipeline as configured."""

    name: str
    manager: Manager
    source: str = "gerrit"
    description: str | None = None
    precedence: Precedence = Precedence.NORMAL
    filters: tuple[EventFilter, ...] = ()
    requirements: ChangeFilter = ChangeFilter()
    #: reporters by action; an action without reporters is absent. MERGE_FAILURE falls back to
    #: FAILURE at build time of the layout
    actions: Mapping[ActionKind, tuple[ReportAction, ...]] = field(default_factory=dict)
    success_message: str = "Build succeeded."
    failure_message: str = "Build failed."
    merge_failure_message: str = ""
    footer_message: str = ""
    dequeue_on_new_patchset: bool = True
    ignore_dependencies: bool = False
    #: None: never disabled
    disable_after: int | None = None
    window: WindowConfig = WindowConfig()
    #: job trees by project; a project without a tree has no key for this pipeline
    trees: Mapping[str, JobTree] = field(default_factory=dict)
    #: of a dependent pipeline, ordered by first project name
    queues: tuple[SharedQueue, ...] = ()

    def labels_voted(self) -> frozenset[str]:
        """Normalized keys of the success reporters: votes we will cast ourselves (7.6)."""
        from_keys = (
            key.lower().replace(" ", "-")
            for action in self.actions.get(ActionKind.SUCCESS, ())
            for key in action.parameters
        )
        return frozenset(from_keys)


@dataclass(frozen=True, slots=True)
class Project:
    """A project that the layout names; all others are foreign."""

    name: str
    merge_mode: MergeMode = MergeMode.MERGE_RESOLVE


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything layout.yaml says, expanded. Pipelines keep the file's order: it matters."""

    pipelines: tuple[PipelineConfig, ...] = ()
    projects: Mapping[str, Project] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
