"""What nodepool needs of a cloud: blocking calls that end, and raise ProviderError or less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nodepool.config.values import ProviderConfig
from nodepool.errors import (
    ProviderError,
    ProviderLacks,
    ProviderRefused,
    ProviderThrottled,
    QuotaExceeded,
)
from nodepool.model import CloudImage, Fault, FloatingIp, Owner, Server


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A server to be made."""

    hostname: str
    #: the image section of the provider
    image: str
    owner: Owner
    az: str | None = None
    #: the cloud's id of the image to boot; None: the section's base-image
    external_id: str | None = None
    #: the key pair to put on it, which must exist
    keypair: str | None = None


class Provider(Protocol):
    """One cloud account. Any thread may call; each call takes its time-out at most, after
    waiting for its turn under the provider's `rate`."""

    def configure(self, config: ProviderConfig) -> None:
        """Use another configuration of the same cloud."""
        ...

    def create_server(self, request: ServerRequest) -> str:
        """The new server's id."""
        ...

    def delete_server(self, server_id: str) -> bool:
        """False: a 404, there is no such server."""
        ...

    def has_server(self, server_id: str) -> bool:
        """False: a 404."""
        ...

    def list_servers(self) -> tuple[Server, ...]:
        """All of the account, never a part."""
        ...

    def console_log(self, server_id: str) -> str: ...

    def list_images(self) -> tuple[CloudImage, ...]: ...

    def take_snapshot(
        self, server_id: str, name: str, owner: Owner, meta: tuple[tuple[str, str], ...]
    ) -> str:
        """The new image's id; it is not ready yet."""
        ...

    def delete_image(self, image_id: str) -> bool:
        """True: a 404 proved it gone; False: the delete was taken."""
        ...

    def create_keypair(self, name: str, public_key: str) -> None:
        """In place of one of that name, if there is one."""
        ...

    def delete_keypair(self, name: str) -> None:
        """None of that name is no error."""
        ...

    def list_addresses(self) -> tuple[FloatingIp, ...]: ...

    def attach_address(self, server_id: str, owner: Owner) -> tuple[FloatingIp, str]:
        """A new floating IP and its address: of the provider's pool, or where it names none, of the
        cloud's external network. Its owner is None where the cloud keeps no description."""
        ...

    def delete_address(
        self, floating_ip: str, *, only_unattached: bool = False, or_of: str | None = None
    ) -> None:
        """None of that id is no error. `only_unattached`: unless something has it, other than the
        server `or_of`."""
        ...

    def delete_addresses_of(self, server_id: str) -> tuple[str, ...]:
        """The ids of the floating IPs that were deleted."""
        ...

    def read_room(self) -> int | None:
        """How many more servers the account's quota takes; None: without bound."""
        ...

    def close(self) -> None:
        """Waits for turns end with ProviderRefused from now on."""
        ...


def fault_of(error: ProviderError) -> Fault:
    """What the core is told of an error."""
    if isinstance(error, QuotaExceeded):
        return Fault.QUOTA
    if isinstance(error, ProviderThrottled):
        return Fault.THROTTLED
    if isinstance(error, ProviderRefused):
        return Fault.REFUSED
    if isinstance(error, ProviderLacks):
        return Fault.IMPOSSIBLE
    return Fault.UNKNOWN
