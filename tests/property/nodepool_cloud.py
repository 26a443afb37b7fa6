"""A cloud and a Jenkins that do wrong by seed; the nodepool world's outside."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace

from nodepool.core.removal import DOUBT_SECONDS
from nodepool.model import CloudImage, FloatingIp, Owner, Server


@dataclass
class CloudServer:
    """What the cloud has."""

    id: str
    owner: Owner | None
    active_at: float
    #: what it becomes instead of ACTIVE
    fate: str = "ACTIVE"
    address: str | None = "192.0.2.1"
    #: seconds from ACTIVE until its address is shown
    address_late: float = 0.0
    #: time from which a delete is taken; infinity while the cloud refuses
    deletable_at: float = 0.0
    gone_at: float = float("inf")
    #: it was made so long after it was asked for that nobody reckoned with it any more
    belated: bool = False


@dataclass
class Faults:
    """Chances."""

    refuse: float = 0.05
    #: an answer is lost; the call may have been done, now or later
    lose: float = 0.05
    error: float = 0.05
    no_address: float = 0.1
    never_boots: float = 0.02
    vanish: float = 0.002
    stuck_delete: float = 0.1
    ssh: float = 0.05
    script: float = 0.03
    jenkins: float = 0.05
    lose_event: float = 0.1
    double_event: float = 0.1
    crash: float = 0.004
    #: a daemon that died stays away for long
    away: float = 0.2
    list_fails: float = 0.1
    #: a list lacks a server that is there
    list_lacks: float = 0.05
    slow_jenkins: float = 0.25
    #: a person wants an image built or deleted
    wish: float = 0.005
    #: floating IPs cannot be deleted just now
    no_neutron: float = 0.1
    #: the line to the publisher breaks, for some minutes
    deaf: float = 0.02
    #: a master does not set a node offline, or does not tell its builds
    sulk: float = 0.05
    #: a list of builds does not reach as far back as it should
    unsure: float = 0.1
    #: seconds from one short burst of work to the next; 0: there is always some
    lull: float = 0.0


#: seconds; what the file may say
HOLD_AGES = (0.0, 300.0, 1500.0)
NONE = Faults(*([0.0] * len(fields(Faults))))
#: clouds that do well, so that there are many builds; little of which is heard
DEAF = replace(
    NONE,
    lose_event=0.1,
    double_event=0.1,
    crash=0.005,
    away=0.2,
    jenkins=0.01,
    deaf=0.1,
    sulk=0.1,
    unsure=0.3,
    lull=200.0,
)
#: the daemon is away through whole builds; its line holds better, and lists reach back
AWAY = replace(DEAF, crash=0.01, away=1.0, deaf=0.02, unsure=0.0)
#: of the questions for builds in worlds of AWAY: as wide as their clocks and answers need, so that
#: what is asked since the wrong moment is not found by luck
MARGIN = 130.0


class Numbers:
    """Of the rows; they outlive the daemon, as a database's sequences do."""

    def __init__(self) -> None:
        self.last = 0

    def next_node(self) -> int:
        self.last += 1
        return self.last

    next_image = next_node


@dataclass
class Cloud:
    """One account. Foreign servers live in it too."""

    name: str
    quota: int
    chance: random.Random
    faults: Faults
    servers: dict[str, CloudServer] = field(default_factory=dict)
    images: dict[str, CloudImage] = field(default_factory=dict)
    keypairs: set[str] = field(default_factory=set)
    addresses: dict[str, FloatingIp] = field(default_factory=dict)
    made: int = 0
    creates: int = 0
    refused: int = 0

    def add_foreign(self, owner: Owner | None) -> None:
        self.made += 1
        server = CloudServer(f"foreign-{self.made}", owner, 0.0)
        self.servers[server.id] = server

    def make(self, owner: Owner, now: float, asked_at: float) -> CloudServer | None:
        """None: the account is full."""
        self.creates += 1
        self.tick(now)
        if len(self.servers) >= self.quota:
            self.refused += 1
            return None
        self.made += 1
        server = CloudServer(f"{self.name}-{self.made}", owner, now + self.chance.uniform(5, 40))
        server.address_late = 8.0 if self.made % 7 == 0 else 0.0
        server.belated = now > asked_at + DOUBT_SECONDS
        luck, faults = self.chance.random(), self.faults
        if luck < faults.error:
            server.fate = "ERROR"
        elif luck < faults.error + faults.never_boots:
            server.active_at = float("inf")
        elif luck < faults.error + faults.never_boots + faults.no_address:
            server.address = None
        if self.chance.random() < faults.stuck_delete:
            server.deletable_at = now + self.chance.uniform(100, 4000)
        self.servers[server.id] = server
        return server

    def delete(self, server_id: str, now: float) -> bool | None:
        """Whether there was one; None: refused."""
        server = self.servers.get(server_id)
        if server is None or server.gone_at <= now:
            return False
        assert server.owner is not None, "a foreign server was deleted"
        assert server.owner.nodepool_id == "ours", "another nodepool's server was deleted"
        assert server.owner.provider == self.name, "another provider's server was deleted"
        if now < server.deletable_at:
            return None
        server.gone_at = min(server.gone_at, now + self.chance.uniform(1, 20))
        return True

    def attach(self, server_id: str, owner: Owner) -> FloatingIp:
        self.made += 1
        address = FloatingIp(f"ip-{self.made}", server_id, owner)
        self.addresses[address.id] = address
        return address

    def tick(self, now: float) -> None:
        for server in [each for each in self.servers.values() if each.gone_at <= now]:
            del self.servers[server.id]
            for address in [a for a in self.addresses.values() if a.server_id == server.id]:
                self.addresses[address.id] = replace(address, server_id=None)

    def has(self, server_id: str, now: float) -> bool:
        self.tick(now)
        return server_id in self.servers

    def listing(self, now: float) -> tuple[Server, ...]:
        self.tick(now)
        return tuple(
            Server(
                id=each.id,
                status="BUILD" if now < each.active_at else each.fate,
                public_v4=each.address if now >= each.active_at + each.address_late else None,
                private_v4="10.0.0.1" if now >= each.active_at else None,
                owner=each.owner,
            )
            for each in self.servers.values()
        )

    def ours(self, now: float) -> list[CloudServer]:
        self.tick(now)
        return [
            each
            for each in self.servers.values()
            if each.owner and each.owner.nodepool_id == "ours"
        ]


@dataclass
class Build:
    """One that Jenkins ran, on its own clock."""

    nodename: str
    job: str
    number: int
    started_at: float
    #: its job has the node set offline, by who starts it
    offline_wanted: bool
    ended_at: float | None = None
    status: str | None = None
    #: since when nodepool was told of it, in whichever way; what happened to the telling
    known_at: float | None = None
    start_lost: bool = False


@dataclass
class Computer:
    """A node as Jenkins knows it."""

    label: str | None
    server_id: str
    provider: str
    job: str | None = None
    offline: bool = False


@dataclass
class Jenkins:
    """One target; its jobs run on nodes, one build each."""

    computers: dict[str, Computer] = field(default_factory=dict)
    down_until: float = 0.0
    #: it answers, and adds no node
    refuses_until: float = 0.0
    #: every build that ever ran, the oldest first
    builds: list[Build] = field(default_factory=list)
    #: how far its clock is ahead
    ahead: float = 0.0
    #: it did not tell its builds, or did not set a node offline, until then
    trouble_at: float = 0.0

    def builds_on(self, nodename: str) -> list[Build]:
        return [each for each in self.builds if each.nodename == nodename]
