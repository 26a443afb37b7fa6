"""Everything that can happen, as past-tense facts. Frozen, plain, safe to cross threads.

An answer that comes twice, late, or for something that is no more is told like any other: the core
passes over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nodepool.config.values import NodepoolConfig
from nodepool.core.build_events import BuildEvent
from nodepool.core.build_events import (
    BuildEventsHeard as BuildEventsHeard,
)
from nodepool.core.build_events import (
    BuildEventsMissed as BuildEventsMissed,
)
from nodepool.core.build_events import (
    BuildsListed as BuildsListed,
)
from nodepool.core.build_events import (
    BuildsNotListed as BuildsNotListed,
)
from nodepool.core.steps import (
    Assigned as Assigned,
)
from nodepool.core.steps import (
    Connected as Connected,
)
from nodepool.core.steps import (
    ImageDeleteFailed as ImageDeleteFailed,
)
from nodepool.core.steps import (
    ImageGone as ImageGone,
)
from nodepool.core.steps import (
    KeypairGone as KeypairGone,
)
from nodepool.core.steps import (
    NodeNotSetOffline as NodeNotSetOffline,
)
from nodepool.core.steps import (
    NodeProbed as NodeProbed,
)
from nodepool.core.steps import (
    NodeSetOffline as NodeSetOffline,
)
from nodepool.core.steps import (
    Prepared as Prepared,
)
from nodepool.core.steps import (
    Registered as Registered,
)
from nodepool.core.steps import (
    Relabeled as Relabeled,
)
from nodepool.core.steps import (
    SnapshotTaken as SnapshotTaken,
)
from nodepool.core.steps import (
    Step as Step,
)
from nodepool.core.steps import (
    StepFailed as StepFailed,
)
from nodepool.core.steps import (
    TestJobStarted as TestJobStarted,
)
from nodepool.core.steps import (
    Unregistered as Unregistered,
)
from nodepool.core.steps import (
    UnregisterFailed as UnregisterFailed,
)
from nodepool.model import (
    CloudImage,
    Fault,
    FloatingIp,
    Heard,
    MachineKey,
    Node,
    NodeState,
    Server,
    SnapshotImage,
)

# -- the daemon ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The database was read, once, before anything else; its rows are ours from now on."""

    nodes: tuple[Node, ...] = ()
    images: tuple[SnapshotImage, ...] = ()
    #: the number of nodes to hold, by job
    holds: Mapping[str, int] | None = None
    #: what the nodepoold before left unheard began later
    heard: Heard = field(default_factory=Heard)


@dataclass(frozen=True, slots=True)
class ConfigLoaded:
    """A valid configuration was read anew."""

    config: NodepoolConfig


@dataclass(frozen=True, slots=True)
class HoldsRead:
    """The table of jobs changed."""

    holds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RowChanged:
    """A person changed a node's row; only HOLD and DELETE are theirs to set."""

    node_id: int
    state: NodeState
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRequested:
    """A person wants an image built. `request`: the row that says so; told until it is removed."""

    provider: str
    image: str
    request: int


@dataclass(frozen=True, slots=True)
class ImageDeletionRequested:
    """A person wants an image gone. `force`: its row at once, whatever is left of it."""

    image_id: int
    request: int
    force: bool = False


@dataclass(frozen=True, slots=True)
class RequestGarbled:
    """A row for a request says nothing that is understood."""

    request: int


#: what a person left in the database about images
Request = ImageRequested | ImageDeletionRequested | RequestGarbled


@dataclass(frozen=True, slots=True)
class CronCame:
    """A periodic job is due."""

    job: Literal["image_update", "cleanup", "check"]


@dataclass(frozen=True, slots=True)
class TimeCame:
    """Pool.next_at is here; may be told at any time."""


# -- what is wanted --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DemandRead:
    """Every Gearman server was asked, or could not be: jobs queued and running by label."""

    demand: Mapping[str, int]
    asked_at: float


@dataclass(frozen=True, slots=True)
class TargetChecked:
    """Whether a target takes nodes: it answers, and is not about to shut down."""

    target: str
    online: bool
    #: why it takes none
    text: str = ""


@dataclass(frozen=True, slots=True)
class Computer:
    """A target's word on one of its nodes."""

    idle: bool
    offline: bool = False
    #: taken out of use for the build that ran on it, or by somebody who left no word
    spent: bool = False


@dataclass(frozen=True, slots=True)
class TargetSurveyed:
    """All the computers that a target, or the bridge before it, knows, by node name."""

    target: str
    computers: Mapping[str, Computer]
    #: when the question went out
    asked_at: float


# -- clouds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerCreated:
    """The cloud took the create call."""

    key: MachineKey
    server_id: str


@dataclass(frozen=True, slots=True)
class CreateFailed:
    """The create call was refused, or came to nothing that is known."""

    key: MachineKey
    fault: Fault
    text: str = ""


@dataclass(frozen=True, slots=True)
class ServersListed:
    """All servers that the cloud account shows; never a part of them."""

    provider: str
    servers: tuple[Server, ...]
    #: when the (first) question went out
    asked_at: float


@dataclass(frozen=True, slots=True)
class AddressesListed:
    """All floating IPs of the account; asked for where some of ours may be."""

    provider: str
    addresses: tuple[FloatingIp, ...]
    asked_at: float


@dataclass(frozen=True, slots=True)
class ImagesListed:
    """All images of the account."""

    provider: str
    images: tuple[CloudImage, ...]
    asked_at: float


@dataclass(frozen=True, slots=True)
class LimitsRead:
    """The account's own quota. `room`: how many more servers it takes; None: without bound."""

    provider: str
    room: int | None
    asked_at: float


@dataclass(frozen=True, slots=True)
class ServerGone:
    """A question for this very server was answered with a 404."""

    provider: str
    server_id: str


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A question for this very server found it."""

    provider: str
    server_id: str


@dataclass(frozen=True, slots=True)
class DeleteFailed:
    """The cloud did not take a delete call; it may or may not have been done."""

    provider: str
    server_id: str
    fault: Fault
    text: str = ""


@dataclass(frozen=True, slots=True)
class AddressAttached:
    """A floating IP was made and attached."""

    key: MachineKey
    floating_ip: str
    address: str


@dataclass(frozen=True, slots=True)
class AddressGone:
    """A floating IP was deleted, or is no more, or is somebody else's by now."""

    provider: str
    floating_ip: str


Event = (
    Started
    | ConfigLoaded
    | HoldsRead
    | RowChanged
    | Request
    | CronCame
    | TimeCame
    | DemandRead
    | TargetChecked
    | TargetSurveyed
    | BuildEvent
    | ServerCreated
    | CreateFailed
    | ServersListed
    | AddressesListed
    | ImagesListed
    | LimitsRead
    | ServerGone
    | ServerSeen
    | DeleteFailed
    | AddressAttached
    | AddressGone
    | Connected
    | Prepared
    | Registered
    | Assigned
    | TestJobStarted
    | Relabeled
    | SnapshotTaken
    | StepFailed
    | Unregistered
    | UnregisterFailed
    | NodeSetOffline
    | NodeNotSetOffline
    | NodeProbed
    | ImageGone
    | ImageDeleteFailed
    | KeypairGone
)
