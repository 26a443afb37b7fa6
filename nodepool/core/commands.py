"""Everything the core can ask for, as imperative wishes. Frozen, plain, safe to cross threads.

The rule of the ledger: all rows of one answer of the core (SaveNode, RemoveNode, SaveImage,
RemoveImage, RemoveRequest, SaveHeard) are committed, in one transaction, before any of its calls
goes out. If that fails, none of the calls may go out, and the process ends: it starts again from
the rows.

Each call is answered by exactly one of the events its docstring names, whatever happens: the edges
see to it that every wait ends. Calls of one provider or target keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodepool.model import Heard, Machine, MachineKey, Node, NodeState, Owner, SnapshotImage

# -- rows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaveNode:
    """Write the row. `before`: the state it must have; None: it is new.

    If it has another, a person changed it: state and comment are theirs, all else is written, and
    RowChanged tells.
    """

    node: Node
    before: NodeState | None


@dataclass(frozen=True, slots=True)
class RemoveNode:
    node_id: int


@dataclass(frozen=True, slots=True)
class SaveImage:
    image: SnapshotImage


@dataclass(frozen=True, slots=True)
class RemoveImage:
    image_id: int


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """The other rows of this answer are what came of it: all it asked for, be it nothing."""

    request: int


@dataclass(frozen=True, slots=True)
class SaveHeard:
    """In place of what was saved before. Rows of what was heard until then are in this answer, or
    in earlier ones."""

    heard: Heard


# -- clouds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateServer:
    """Make a server, marked as the owner's. Answers: ServerCreated, CreateFailed."""

    key: MachineKey
    provider: str
    #: the image section of the provider: flavor, networks and so on are found by it
    image: str
    hostname: str
    owner: Owner
    az: str | None = None
    #: the cloud's id of the image to boot; None: the section's base-image
    external_id: str | None = None
    #: a key pair to make first, if there is none of that name
    keypair: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteServer:
    """Delete a server and, before it, its floating IPs; or without them, if they cannot be deleted
    now and will be found later. Answers: AddressGone for each; none if it is taken, ServerGone if
    there is no such server, DeleteFailed."""

    provider: str
    server_id: str
    floating_ip: str | None = None
    #: it may have one of which nothing is written down: look, wherever it comes from
    has_unknown: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmGone:
    """Ask for this one server, since the list lacks it. Answers: ServerGone, ServerSeen; none if
    the cloud does not answer."""

    provider: str
    server_id: str


@dataclass(frozen=True, slots=True)
class AttachAddress:
    """Make a floating IP from the provider's pool, or the cloud's external network, marked as the
    owner's where the cloud keeps a description. Answers: AddressAttached, StepFailed."""

    key: MachineKey
    provider: str
    server_id: str
    owner: Owner


@dataclass(frozen=True, slots=True)
class DeleteAddress:
    """Delete a floating IP of ours, after a second look that it is attached to nothing, or to what
    is left of its own server. Answers: AddressGone; none if the cloud does not answer."""

    provider: str
    floating_ip: str
    #: the cloud's id of the server it was made for, if that is known
    server_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The account turned out to be full: read its quota anew. Answer: LimitsRead, or none."""

    provider: str


# -- nodes over SSH --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Try SSH until it answers. Answers: Connected, StepFailed (error.ssh, error.auth)."""

    key: MachineKey
    address: str
    #: of an image build None: root, then the distributions' users
    username: str | None
    private_key: str
    #: of an image build: the key pair that was made for it
    keypair: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class PrepareNode:
    """Write /etc/nodepool on all machines, run the ready script, the first machine last.

    Answers: Prepared, StepFailed.
    """

    node: Node
    username: str
    private_key: str
    ready_script: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class ProbeNode:
    """See whether SSH answers. Answer: NodeProbed."""

    node_id: int
    address: str
    username: str
    private_key: str
    timeout_seconds: float
    host_keys: tuple[str, ...] = ()


# -- targets ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegisterNode:
    """Add the node to its Jenkins. Answers: Registered, StepFailed."""

    node: Node
    #: None: without one, until its test job passed
    label: str | None
    username: str
    private_key: str
    user_home: str


@dataclass(frozen=True, slots=True)
class AssignNode:
    """Offer the node by Gearman: node_assign:TARGET. Answers: Assigned, StepFailed."""

    node: Node
    user_home: str


@dataclass(frozen=True, slots=True)
class StartTestJob:
    """Answers: TestJobStarted, StepFailed."""

    node: Node
    job: str


@dataclass(frozen=True, slots=True)
class RelabelNode:
    """Give a tested node its label. Answers: Relabeled, StepFailed."""

    node: Node


@dataclass(frozen=True, slots=True)
class SetNodeOffline:
    """Let the target give the node no other build; the one that runs goes on. Answers:
    NodeSetOffline, also if it was or if there is no such node, NodeNotSetOffline."""

    node_id: int
    target: str
    nodename: str


@dataclass(frozen=True, slots=True)
class WantedBuilds:
    """Builds on one node."""

    nodename: str
    #: epoch seconds; those that began earlier are of no concern
    since: float
    #: short name of the one job whose builds they can be; None: any job's
    job: str | None = None


@dataclass(frozen=True, slots=True)
class ReadBuilds:
    """Look through the target's builds, newest first. One question of a target is out at a time.
    Answers: BuildsListed, BuildsNotListed."""

    target: str
    wanted: tuple[WantedBuilds, ...]


@dataclass(frozen=True, slots=True)
class UnregisterNode:
    """Remove the node from its Jenkins. Answers: Unregistered, UnregisterFailed."""

    node_id: int
    target: str
    nodename: str


@dataclass(frozen=True, slots=True)
class RevokeNode:
    """Tell who took the node by Gearman (node_revoke:MANAGER); nothing is answered."""

    manager: str
    nodename: str


# -- images ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrepareImage:
    """Copy script-dir, run the setup script. Answers: Prepared, StepFailed."""

    image: SnapshotImage
    machine: Machine
    setup: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Answers: SnapshotTaken, StepFailed."""

    image_id: int
    provider: str
    server_id: str
    name: str
    owner: Owner
    meta: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteImage:
    """Answers: ImageGone, ImageDeleteFailed."""

    image_id: int
    provider: str
    external_id: str


@dataclass(frozen=True, slots=True)
class DeleteKeypair:
    """Answers: KeypairGone; none if the cloud does not answer."""

    image_id: int
    provider: str
    name: str


Row = SaveNode | RemoveNode | SaveImage | RemoveImage | RemoveRequest | SaveHeard
Call = (
    CreateServer
    | DeleteServer
    | ConfirmGone
    | AttachAddress
    | DeleteAddress
    | ReadLimits
    | Connect
    | PrepareNode
    | ProbeNode
    | RegisterNode
    | AssignNode
    | StartTestJob
    | RelabelNode
    | SetNodeOffline
    | ReadBuilds
    | UnregisterNode
    | RevokeNode
    | PrepareImage
    | TakeSnapshot
    | DeleteImage
    | DeleteKeypair
)
Command = Row | Call
