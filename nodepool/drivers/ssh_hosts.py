"""HostKeys: which host key each of our machines must show."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable

from nodepool.errors import LaunchError, ProviderError
from nodepool.model import MachineKey

log = logging.getLogger("nodepool.HostKeys")

#: (kind of key, base64)
HostKey = tuple[str, str]
MOST_MACHINES = 50_000
_BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL
)
_KEY = re.compile(r"((?:ssh|ecdsa)-[a-z0-9@.-]+) ([A-Za-z0-9+/]{40,}={0,2})(?:\s|$)")


class HostKeyMismatch(LaunchError):
    """The machine shows another host key than it must."""


def read_console(text: str) -> frozenset[HostKey]:
    """The host keys that cloud-init printed at the (last) boot; empty: none."""
    blocks = _BLOCK.findall(text)
    return frozenset(_KEY.findall(blocks[-1])) if blocks else frozenset()


class HostKeys:
    """In memory: keys are learned anew after a restart. Any thread may call.

    A machine's keys are those of its console, read once SSH answers for the first time; where the
    console tells none, the first key it shows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._consoles: dict[MachineKey, Callable[[], str]] = {}
        self._known: dict[MachineKey, frozenset[HostKey]] = {}

    def expect(self, key: MachineKey, console: Callable[[], str]) -> None:
        """A new machine; `console` reads its log and may raise ProviderError."""
        with self._lock:
            self._known.pop(key, None)
            self._consoles[key] = console
            while len(self._consoles) > MOST_MACHINES:
                del self._consoles[next(iter(self._consoles))]

    def check(self, key: MachineKey, shown: HostKey) -> None:
        """Raises HostKeyMismatch."""
        with self._lock:
            known = self._known.get(key)
            console = self._consoles.pop(key, None) if known is None else None
        if known is None:
            known = self._learn(key, shown, console)
        if shown not in known:
            text = f"{key.kind} {key.id}.{key.index} shows a {shown[0]} host key that is not its"
            raise HostKeyMismatch(text, stat_key="error.ssh")

    def _learn(
        self, key: MachineKey, shown: HostKey, console: Callable[[], str] | None
    ) -> frozenset[HostKey]:
        told: frozenset[HostKey] = frozenset()
        if console is not None:
            try:
                told = read_console(console())
            except ProviderError as error:
                log.info("The console of %s %s cannot be read: %s", key.kind, key.id, error)
        with self._lock:
            known = self._known.setdefault(key, told or frozenset((shown,)))
            while len(self._known) > MOST_MACHINES:
                del self._known[next(iter(self._known))]
        return known
