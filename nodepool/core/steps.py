"""Steps of launches and image builds, and what the edges answer about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from nodepool.model import MachineKey


class Step(Enum):
    """What a launch or an image build is at; the value is for logs."""

    CREATE = "create"
    BOOT = "boot"
    ADDRESS = "address"
    CONNECT = "connect"
    PREPARE = "prepare"
    REGISTER = "register"
    ASSIGN = "assign"
    TEST = "test"
    SNAPSHOT = "snapshot"
    SAVE = "save"


@dataclass(frozen=True, slots=True)
class Connected:
    """SSH answered. `host_keys`: what the machine must show from now on."""

    key: MachineKey
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A node's files and ready script, or an image's scripts and setup, are done."""

    kind: Literal["node", "image"]
    id: int


@dataclass(frozen=True, slots=True)
class Registered:
    """The target knows the node."""

    node_id: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """Somebody took the node by Gearman."""

    node_id: int
    manager: str | None


@dataclass(frozen=True, slots=True)
class TestJobStarted:
    """The target queued the test job."""

    node_id: int

    __test__ = False


@dataclass(frozen=True, slots=True)
class Relabeled:
    """The target gave a tested node its label."""

    node_id: int


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """The cloud began to save the image."""

    image_id: int
    external_id: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """Any step of a launch or an image build failed. `stat_key` is the contract's (17)."""

    key: MachineKey
    step: Step
    stat_key: str = "error.unknown"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The target does not know the node, or not any more."""

    node_id: int


@dataclass(frozen=True, slots=True)
class UnregisterFailed:
    """The target could not be made to forget the node."""

    node_id: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class NodeSetOffline:
    """The target gives the node no builds any more; what runs there goes on."""

    node_id: int


@dataclass(frozen=True, slots=True)
class NodeNotSetOffline:
    """The target may give the node another build."""

    node_id: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class NodeProbed:
    """The periodic check asked a ready node over SSH. `host_keys`: those it showed, if none were
    recorded; `text`: why it is not alive."""

    node_id: int
    alive: bool
    host_keys: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class ImageGone:
    """A 404 proved an image gone."""

    image_id: int


@dataclass(frozen=True, slots=True)
class ImageDeleteFailed:
    """An image could not be deleted."""

    image_id: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class KeypairGone:
    """A key pair made for an image build is no more."""

    image_id: int
