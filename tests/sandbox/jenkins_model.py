"""What a sandbox Jenkins knows: jobs, folders, nodes, queue items, builds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["NORMAL", "EXCLUSIVE"]
#: (parameter kind, name, value); values as text, as a build's environment has them
Value = tuple[str, str, str]

PARAMETER_KINDS = ("String", "Text", "Boolean", "Choice", "Password")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter of a job."""

    name: str
    kind: str = "String"
    default: str = ""
    choices: tuple[str, ...] = ()
    description: str = ""

    def refuses(self, value: str) -> bool:
        return self.kind == "Choice" and value not in self.choices


@dataclass(slots=True)
class Build:
    """One run; times in ms since the epoch, `node` is "" for the master itself."""

    job: str
    number: int
    queue_id: int
    node: str
    executor: int
    values: tuple[Value, ...]
    started_at_ms: int
    estimated_ms: int
    cause: str = ""
    building: bool = True
    result: str | None = None
    duration_ms: int = 0
    description: str | None = None
    #: what runs it, and why it was interrupted: by somebody, or as the node went
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    stopped: bool = False
    disconnected: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        return {name: value for _kind, name, value in self.values}


@dataclass(slots=True)
class Job:
    """A freestyle job as its config.xml says; `name` is the full one, with folders."""

    name: str
    xml: str
    description: str = ""
    disabled: bool = False
    concurrent: bool = False
    label: str | None = None
    quiet_seconds: float | None = None
    parameters: tuple[Parameter, ...] = ()
    #: declared in the other place of an old master's file: shown, but of no effect
    shown: tuple[Parameter, ...] = ()
    #: (shell script, exit code that means UNSTABLE)
    steps: tuple[tuple[str, int | None], ...] = ()
    next_number: int = 1
    #: in the order they started
    builds: dict[int, Build] = field(default_factory=dict)
    running: dict[int, Build] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    def newest_first(self) -> Iterable[Build]:
        return reversed(self.builds.values())

    def estimated_ms(self) -> int:
        """The mean of the last three that went well; -1 if none did."""
        good = (b.duration_ms for b in self.newest_first() if b.result == "SUCCESS")
        last = list(itertools.islice(good, 3))
        return sum(last) // len(last) if last else -1


@dataclass(frozen=True, slots=True)
class Login:
    """How a master with agents gets into a node, and where it works there."""

    host: str
    port: int
    username: str
    #: of this machine
    key_file: str
    home: str


@dataclass(slots=True)
class Node:
    """A place with executors; the master's own has the name ""."""

    name: str
    labels: frozenset[str] = frozenset()
    executors: int = 1
    mode: Mode = "NORMAL"
    description: str = ""
    #: how the master connects to it, as the form of a new node tells it
    launcher: dict[str, Any] = field(default_factory=dict)
    #: connected at all; a node that is not is offline whatever else is said
    connected: bool = True
    temporarily_offline: bool = False
    offline_reason: str = ""
    xml: str = ""
    #: None: the node is this machine
    login: Login | None = None
    #: by executor index
    running: dict[int, Build] = field(default_factory=dict)
    #: atoms an expression is matched with: the labels and the node's own
    atoms: frozenset[str] = frozenset()

    @property
    def is_offline(self) -> bool:
        return self.temporarily_offline or not self.connected

    @property
    def idle_executor(self) -> int | None:
        if len(self.running) >= self.executors:
            return None
        return next((i for i in range(self.executors) if i not in self.running), None)


@dataclass(slots=True)
class Item:
    """A build that waits, or what is remembered of it after it left the queue."""

    id: int
    job: str
    values: tuple[Value, ...]
    since_ms: int
    due_ms: int
    cause: str = ""
    why: str = ""
    #: nothing fits, or nothing that fits is online
    stuck: bool = False
    state: Literal["waiting", "blocked", "buildable", "left"] = "waiting"
    buildable_ms: int = 0
    cancelled: bool = False
    #: the build it became
    number: int | None = None
    left_at_ms: int = 0

    def said(self, now_ms: int) -> str | None:
        """Why it waits, in the master's words."""
        if self.state == "waiting":
            seconds = max(0, self.due_ms - now_ms) / 1000
            return f"In the quiet period. Expires in {seconds:.1f} sec"
        return self.why or None


def parents(name: str) -> list[str]:
    """The folders that a job or folder is in, outermost first."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]
