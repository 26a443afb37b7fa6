"""What the sandbox cloud knows: flavors, images, key pairs, addresses, servers, as plain rows."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.sandbox.nova_faults import BootTrouble


def new_id() -> str:
    return str(uuid.uuid4())


def new_hex_id() -> str:
    """As keystone writes ids: no dashes."""
    return uuid.uuid4().hex


def now() -> datetime:
    return datetime.now(UTC)


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def fine_stamp(when: datetime | None) -> str | None:
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass(slots=True)
class Flavor:
    """`ram` in MiB, `disk` in GiB."""

    name: str
    ram: int
    vcpus: int = 1
    disk: int = 1
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class Image:
    """`status` is glance's: queued, saving, active, error."""

    name: str
    #: the project that owns it; others see it only if it is public
    project_id: str
    #: the tree a server made of it starts with
    folder: Path
    status: str = "active"
    visibility: str = "public"
    properties: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    min_disk: int = 0
    min_ram: int = 0
    disk_format: str | None = "raw"
    container_format: str | None = "bare"
    checksum: str | None = None
    sha512: str | None = None
    tags: list[str] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass(slots=True)
class Keypair:
    name: str
    public_key: str
    fingerprint: str
    number: int
    created: datetime = field(default_factory=now)


@dataclass(slots=True)
class Network:
    """A network that servers have addresses in, or, if `external`, a pool of floating ones."""

    name: str
    project_id: str
    #: "127.10": the first two bytes of its addresses
    prefix: str
    external: bool = False
    id: str = field(default_factory=new_id)
    subnet_id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)


@dataclass(slots=True)
class FloatingIp:
    address: str
    project_id: str
    network: Network
    description: str = ""
    server: Server | None = None
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)


@dataclass(slots=True)
class Quota:
    """Limits of one project, -1 for none; `ram` in MiB."""

    instances: int = 10
    cores: int = -1
    ram: int = -1
    key_pairs: int = 100
    floating_ips: int = -1


@dataclass(slots=True)
class User:
    name: str
    password: str = field(repr=False)
    project: Project
    id: str = field(default_factory=new_hex_id)
    keypairs: dict[str, Keypair] = field(default_factory=dict)
    #: secrets of application credentials, by (id, name)
    credentials: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Project:
    name: str
    quota: Quota
    id: str = field(default_factory=new_hex_id)


_STATUSES = {
    "building": "BUILD",
    "active": "ACTIVE",
    "stopped": "SHUTOFF",
    "error": "ERROR",
    "deleted": "DELETED",
}


@dataclass(slots=True, eq=False)
class Server:
    """One server, from the create call on; kept for a while after its end."""

    name: str
    project: Project
    user: User
    image: Image
    flavor: Flavor
    network: Network | None
    #: where its files are, once it needs any
    folder: Path
    trouble: BootTrouble
    metadata: dict[str, str] = field(default_factory=dict)
    key: Keypair | None = None
    key_name: str | None = None
    zone: str = "nova"
    pinned_zone: str | None = None
    config_drive: bool = False
    user_data: bytes = b""
    description: str | None = None
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    launched: datetime | None = None
    terminated: datetime | None = None
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    #: 0 none, 1 running, 4 shut down
    power_state: int = 0
    fault: str | None = None
    fault_at: datetime | None = None
    admin_pass: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    mac: str = field(default_factory=lambda: "fa:16:3e:" + secrets.token_bytes(3).hex(":"))
    #: the address in its network; the sandbox has it reserved
    address: str | None = None
    #: whether clients are told of the address
    address_shown: bool = False
    #: monotonic time of the first delete request that was let pass without effect
    delete_ignored_since: float | None = None
    floating: list[FloatingIp] = field(default_factory=list)
    #: what its row looked like, by microversion
    rows: dict[tuple[str, bool], str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.vm_state == "active" and self.task_state in ("rebooting", "reboot_started"):
            return "REBOOT"
        return _STATUSES[self.vm_state]

    @property
    def alive(self) -> bool:
        """Whether it still counts."""
        return self.vm_state != "deleted"

    def touch(self) -> None:
        """Something that its row tells has changed."""
        self.updated = now()
        self.rows.clear()
