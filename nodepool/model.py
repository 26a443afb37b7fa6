"""Rows of the database as frozen values: nodes with their machines, snapshot images, job holds.

The ledger's rule: a machine is written down as ASKED before the create call goes out, and leaves
the ledger only as GONE, which a 404 proves. So whatever exists in a cloud has a row; but for what a
person gave up (removal.forget_image).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import Literal


class NodeState(IntEnum):
    """The contract's codes; names in lower case are what operators see."""

    BUILDING = 1
    READY = 2
    USED = 3
    DELETE = 4
    HOLD = 5
    TEST = 6

    @property
    def word(self) -> str:
        return self.name.lower()


class Presence(Enum):
    """What is known of a thing in a cloud."""

    #: the create call is out, or its answer was lost
    ASKED = "asked"
    EXISTS = "exists"
    #: it never came to be, or a 404 proved it gone
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class MachineKey:
    """Names a server of ours before it exists, and in its metadata afterwards."""

    kind: Literal["node", "image"]
    #: of the node, or of the image being built
    id: int
    #: 0 is the node's first machine, the one Jenkins knows
    index: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """One server."""

    hostname: str = ""
    presence: Presence = Presence.ASKED
    #: the cloud's id, once it is known
    server_id: str | None = None
    ip: str | None = None
    ip_private: str | None = None
    #: the id of the floating IP made for it
    floating_ip: str | None = None
    #: SSH host keys, as in known_hosts: it must show one of them; empty: not known
    host_keys: tuple[str, ...] = ()
    #: the nodepool id that its server, and what is made for it, carries; None: not written down
    mark: str | None = None

    @property
    def takes_room(self) -> bool:
        return self.presence is not Presence.GONE


@dataclass(frozen=True, slots=True)
class Node:
    """A machine in one target, with its subnodes."""

    id: int
    provider: str
    label: str
    target: str
    state: NodeState
    #: epoch seconds of the last change of `state`
    state_at: float
    #: the first is the one registered in the target
    machines: tuple[Machine, ...]
    #: the host name up to its first dot: Jenkins' and ZeroMQ's name for it
    nodename: str = ""
    az: str | None = None
    #: the row of the image it was made of
    image_id: int | None = None
    #: who took it by Gearman's node_assign
    manager: str | None = None
    comment: str | None = None
    #: the target may know it: written before it is told, until it is known to have forgotten
    registered: bool = False
    #: the job that runs, or ran, on it
    job: str | None = None
    #: its job is over; epoch seconds at which it is deleted
    delete_at: float | None = None

    @property
    def is_busy(self) -> bool:
        """A build runs on it, as far as is known."""
        return self.state is NodeState.USED and self.delete_at is None

    @property
    def room(self) -> int:
        """What it takes of its provider's max-servers."""
        return sum(machine.takes_room for machine in self.machines)

    def with_state(self, state: NodeState, now: float, comment: str | None = None) -> Node:
        if state is self.state:
            return self if comment is None else replace(self, comment=comment)
        return replace(self, state=state, state_at=now, comment=comment or self.comment)

    def with_machine(self, index: int, machine: Machine) -> Node:
        machines = (*self.machines[:index], machine, *self.machines[index + 1 :])
        return replace(self, machines=machines)


@dataclass(frozen=True, slots=True)
class SnapshotImage:
    """An image in a provider, and the server it is made on."""

    id: int
    provider: str
    image: str
    state: NodeState
    state_at: float
    #: the server's and the image's name
    hostname: str
    #: epoch seconds; the highest that is READY is the current one
    version: int
    #: the server it is built on
    machine: Machine = Machine()
    #: the image's id in the cloud
    external_id: str | None = None
    #: of the image in the cloud; GONE until the snapshot is asked for
    presence: Presence = Presence.GONE
    #: a key pair made for the build, by name
    keypair: str | None = None
    #: a node made of it became ready
    proven: bool = False
    #: launches in a row that failed on it before it was proven
    failures: int = 0

    def with_state(self, state: NodeState, now: float) -> SnapshotImage:
        return self if state is self.state else replace(self, state=state, state_at=now)


@dataclass(frozen=True, slots=True)
class Owner:
    """What a server's metadata says of whose it is (the key `nodepool`)."""

    provider: str
    key: MachineKey
    #: None: of an era that did not write it
    nodepool_id: str | None


@dataclass(frozen=True, slots=True)
class Server:
    """A row of a cloud's list of servers."""

    id: str
    #: nova's words: BUILD, ACTIVE, ERROR ...
    status: str
    name: str = ""
    public_v4: str | None = None
    public_v6: str | None = None
    private_v4: str | None = None
    #: None: not ours
    owner: Owner | None = None
    #: one of its addresses is one
    has_floating_ip: bool = False


@dataclass(frozen=True, slots=True)
class FloatingIp:
    """A row of a cloud's list of floating IPs."""

    id: str
    #: what it is attached to; None: to nothing, or a cloud tells the port only
    server_id: str | None = None
    #: from its description, where the cloud keeps one; None: not ours, or not known
    owner: Owner | None = None
    #: neutron's word for what it is attached to
    port_id: str | None = None

    @property
    def is_attached(self) -> bool:
        return self.server_id is not None or self.port_id is not None


@dataclass(frozen=True, slots=True)
class CloudImage:
    """A row of a cloud's list of images."""

    id: str
    #: nova's words: SAVING, ACTIVE, ERROR ...
    status: str
    owner: Owner | None = None
    name: str = ""
    #: made of a server, by us or by somebody else
    is_snapshot: bool = False


class Fault(Enum):
    """Why a call to a cloud or a target failed, as far as it matters here."""

    #: the account is full
    QUOTA = "quota"
    #: it said no, and nothing was done
    REFUSED = "refused"
    #: slow down: nothing was done
    THROTTLED = "throttled"
    #: no answer, or one that leaves open whether it was done
    UNKNOWN = "unknown"
    #: what is asked for cannot be: no such flavor, image or network
    IMPOSSIBLE = "impossible"

    @property
    def leaves_doubt(self) -> bool:
        return self is Fault.UNKNOWN


@dataclass(frozen=True, slots=True)
class Heard:
    """Up to when nothing that matters went unheard; epoch seconds. What is not named here is not
    known at all."""

    #: what the publisher sent until then was heard, or its targets are in doubt
    publishers: Mapping[str, float] = field(default_factory=dict)
    #: no ready node of the target is in doubt for what began before
    targets: Mapping[str, float] = field(default_factory=dict)


class BuildResult:
    """Words of Jenkins that matter here."""

    SUCCESS = "SUCCESS"
    ABORTED = "ABORTED"
