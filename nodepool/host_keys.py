"""SSH host keys as text, `KIND BASE64` as in known_hosts. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

#: of one machine; with the longest keys there are they fit a text column of every database
MOST_KEYS = 10
_KEY = re.compile(r"((?:ssh|ecdsa)-[a-z0-9@.-]{1,60} [A-Za-z0-9+/]{40,4000}={0,2})(?:\s|$)")


def find_host_keys(text: str) -> tuple[str, ...]:
    """All that stand somewhere in the text, sorted, each once; of too many the first."""
    return tuple(sorted(set(_KEY.findall(text)))[:MOST_KEYS])


def write_host_keys(keys: Iterable[str]) -> str:
    """One a line."""
    return "\n".join(keys)


def read_host_keys(text: str) -> tuple[str, ...]:
    """What `write_host_keys` wrote. Raises ValueError for a line that is no key."""
    lines = {line.strip() for line in text.splitlines()} - {""}
    keys = find_host_keys(text)
    if lines != set(keys):
        raise ValueError("a line that is no host key, or too many of them")
    return keys


def fingerprint(key: str) -> str:
    """`KIND SHA256:...`, as ssh-keygen shows it."""
    kind, _, data = key.partition(" ")
    digest = hashlib.sha256(base64.b64decode(data)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
