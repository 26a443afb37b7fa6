"""Mail addresses as a configuration file has them, comma-separated, names allowed."""

from __future__ import annotations

from email.headerregistry import Address
from email.utils import getaddresses

#: what RFC 5321 grants a path, brackets aside
MAX_ADDRESS_LENGTH = 254


def parse_addresses(text: str) -> tuple[Address, ...]:
    """At least one; a local name without a host is one. Raises ValueError with what is wrong."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("an address has no control characters")
    found = tuple(
        _parse(name, address) for name, address in getaddresses([text]) if name or address
    )
    if not found:
        raise ValueError("expected a mail address")
    return found


def _parse(name: str, address: str) -> Address:
    user, at, domain = address.rpartition("@")
    if not at:
        user, domain = domain, ""
    if not user or (at and not domain) or len(address) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"not a mail address: {address or name!r}")
    if any(character.isspace() or character in "<>,;" for character in user + domain):
        raise ValueError(f"not a mail address: {address!r}")
    return Address(name, user, domain)
