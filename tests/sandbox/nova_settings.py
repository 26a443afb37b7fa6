"""What a sandbox cloud is made with, and how long things take in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Seconds, or (least, most) to draw from.
Span = float | tuple[float, float]


@dataclass(slots=True)
class Times:
    """How long things take; may be changed while the cloud runs."""

    #: from the create call to ACTIVE
    boot: Span = 0.2
    #: from ACTIVE until SSH answers
    ssh: Span = 0.05
    #: from the delete call to the 404
    delete: Span = 0.1
    snapshot: Span = 0.2
    #: from an upload to the image's `active`
    upload: Span = 0.0
    #: servers that boot at once; the others wait in the scheduler. None is no limit
    builders: int | None = None


@dataclass(slots=True)
class Settings:
    """What a cloud is made with."""

    folder: Path
    times: Times
    ssh: bool
    ssh_port: int
    seed: int
    login_users: tuple[str, ...]
    shared: tuple[Path, ...]
    zones: tuple[str, ...]
    prefix: str
    floating_prefix: str
    #: off: no neutron, floating addresses by nova alone
    neutron: bool
    #: off: neutron is of before Mitaka
    descriptions: bool
