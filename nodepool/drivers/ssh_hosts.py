"""HostKeys: which host key each of our machines must show."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable

from nodepool.errors import LaunchError, ProviderError
from nodepool.host_keys import find_host_keys, fingerprint
from nodepool.model import MachineKey

log = logging.getLogger("nodepool.HostKeys")

MOST_MACHINES = 50_000
_BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL
)


class HostKeyMismatch(LaunchError):
    """The machine shows another host key than it must."""


def read_console(text: str) -> tuple[str, ...]:
    """The host keys that cloud-init printed at the (last) boot; empty: none."""
    blocks = _BLOCK.findall(text)
    return find_host_keys(blocks[-1]) if blocks else ()


class HostKeys:
    """Keys from the first contact with a machine until they stand in its row. Any thread may call.

    They are those of its console, read once SSH answers for the first time; where the console
    tells none, the first key it shows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._consoles: dict[MachineKey, Callable[[], str]] = {}
        self._learnt: dict[MachineKey, tuple[str, ...]] = {}

    def expect(self, key: MachineKey, console: Callable[[], str]) -> None:
        """A new machine; `console` reads its log and may raise ProviderError."""
        with self._lock:
            self._learnt.pop(key, None)
            self._consoles[key] = console
            while len(self._consoles) > MOST_MACHINES:
                del self._consoles[next(iter(self._consoles))]

    def check(self, key: MachineKey, shown: str, recorded: tuple[str, ...] = ()) -> None:
        """`recorded`: those in its row, empty at the first contact. Raises HostKeyMismatch."""
        if shown not in (recorded or self._learn(key, shown)):
            machine = f"{key.kind} {key.id}.{key.index}"
            text = f"{machine} is not trusted, it shows a host key that is not its"
            raise HostKeyMismatch(f"{text}: {fingerprint(shown)}", stat_key="error.ssh")

    def _learn(self, key: MachineKey, shown: str) -> tuple[str, ...]:
        with self._lock:
            if key in self._learnt:
                return self._learnt[key]
            console = self._consoles.pop(key, None)
        told: tuple[str, ...] = ()
        if console is not None:
            try:
                told = read_console(console())
            except ProviderError as error:
                log.info("The console of %s %s cannot be read: %s", key.kind, key.id, error)
        with self._lock:
            known = self._learnt.setdefault(key, told or find_host_keys(shown))
            while len(self._learnt) > MOST_MACHINES:
                del self._learnt[next(iter(self._learnt))]
        return known

    def take(self, key: MachineKey) -> tuple[str, ...]:
        """What was learnt, for its row; it is forgotten here. Empty: nothing was."""
        with self._lock:
            self._consoles.pop(key, None)
            return self._learnt.pop(key, ())
