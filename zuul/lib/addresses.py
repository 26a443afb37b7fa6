"""Mail addresses as a configuration file has them: `a@example.org, Cora <core@example.org>`."""

from __future__ import annotations

import re
from email.headerregistry import Address

#: what RFC 5321 grants a path, brackets aside
MAX_ADDRESS_LENGTH = 254

#: a local name without a host is an address, too
_ADDRESS = r"[^\s@<>,;\"]+(?:@[^\s@<>,;\"]+)?"
_ENTRY = re.compile(
    rf"""(?:(?:"(?P<quoted>[^"]*)"|(?P<name>[^"<>]*?))\s*<(?P<named>{_ADDRESS})>|(?P<bare>{_ADDRESS}))"""
)
#: commas inside of quotes separate nothing
_BETWEEN_COMMAS = re.compile(r"""(?:[^,"]|"[^"]*")+""")


def parse_addresses(text: str) -> tuple[Address, ...]:
    """At least one. Raises ValueError with what is wrong."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("an address has no control characters")
    if "=?" in text:
        # Many a Python decodes it and writes the line ends that it finds inside (CVE-2024-6923).
        raise ValueError("a name beside a mail address is written as it is, not encoded")
    entries = [entry.strip() for entry in _BETWEEN_COMMAS.findall(text)]
    found = tuple(_parse(entry) for entry in entries if entry)
    if not found:
        raise ValueError("expected a mail address")
    return found


def _parse(entry: str) -> Address:
    match = _ENTRY.fullmatch(entry)
    address = (match["named"] or match["bare"]) if match else ""
    if match is None or len(address) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"not a mail address: {entry!r}")
    user, _, domain = address.partition("@")
    return Address(match["quoted"] or match["name"] or "", user, domain)
