"""Who holds the lease: a name for this process, and whether the process of a name is dead.

A daemon that was killed and started again on the same machine need not wait for its own lease to
run out. Of processes elsewhere nothing is known: they are given their time.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def make_holder() -> str:
    """Host, process, machine and a random part."""
    return f"{socket.gethostname()[:100]}/{os.getpid()}/{_machine()}/{secrets.token_hex(4)}"


def is_dead(holder: str) -> bool:
    """True only if it ran on this machine, where there is no such process now."""
    parts = holder.split("/")
    if len(parts) != 4 or parts[2] != _machine() or not parts[1].isdigit():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _machine() -> str:
    """Of this boot of the kernel, and of the process numbers that a container sees."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return secrets.token_hex(8)
    return f"{boot}.{space}"
