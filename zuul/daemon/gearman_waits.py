"""What a start waits for at the Gearman server, and gives up when the process is to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from zuul.lib.gearman import AdminClient, GearmanClient

log = logging.getLogger("zuul.Server")

#: how long the start waits for the Gearman server to answer
GEARMAN_SECONDS = 30.0
#: how long workers of our own server have to come back after a restart, and how long no new one
#: must have come
WORKERS_SECONDS = 30.0
STABLE_SECONDS = 5.0
_POLL_SECONDS = 0.25

#: waits so many seconds; True: the process is to end
Pause = Callable[[float], bool]


class StartInterrupted(Exception):
    """The process is to end before it served."""


def sleep(seconds: float) -> bool:
    """A Pause that nothing interrupts."""
    time.sleep(seconds)
    return False


def wait_for_server(client: GearmanClient, pause: Pause = sleep) -> bool:
    """Whether the server answers, within a while. Raises StartInterrupted."""
    deadline = time.monotonic() + GEARMAN_SECONDS
    if client.wait_connected(_POLL_SECONDS):
        return True
    log.info("Waiting for the Gearman server to answer")
    while not client.wait_connected(_POLL_SECONDS):
        _check(pause(0))
        if time.monotonic() >= deadline:
            return False
    return True


def wait_for_workers(
    admin: AdminClient, pause: Pause = sleep, clock: Callable[[], float] = time.monotonic
) -> None:
    """Until the set of functions has been the same for a while; not for ever.

    Raises StartInterrupted.
    """
    log.info("Waiting for the workers to come back")
    deadline = clock() + WORKERS_SECONDS
    before: frozenset[str] = frozenset()
    since = clock()
    while clock() < min(deadline, since + STABLE_SECONDS):
        _check(pause(_POLL_SECONDS))
        try:
            status = admin.status()
        except OSError as error:
            log.warning("The Gearman server does not tell its functions: %s", error)
            continue
        now = frozenset(name for name, function in status.items() if function.workers)
        if now != before:
            before, since = now, clock()


def _check(is_to_end: bool) -> None:
    if is_to_end:
        raise StartInterrupted
