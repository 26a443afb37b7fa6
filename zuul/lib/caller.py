"""Who runs a command, for the records that are kept of it."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket


def caller() -> str:
    """`user@host` of whoever runs this, also behind sudo."""
    user = os.environ.get("SUDO_USER", "")
    if not user:
        with contextlib.suppress(OSError, KeyError):
            user = getpass.getuser()
    return f"{user or os.getuid()}@{socket.gethostname()}"
