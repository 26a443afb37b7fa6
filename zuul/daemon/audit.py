"""Who asked for what, and what came of it: a log line and a line of state_dir/audit.jsonl each.

`by` is what the client says of itself; who may ask at all is decided by the Gearman server.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from zuul.lib.logs import fields

log = logging.getLogger("zuul.Audit")

FILE_NAME = "audit.jsonl"


class Audit:
    """Appends; the file may be moved away at any time, the next line makes a new one."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME
        self._lock = threading.Lock()

    def write(
        self,
        action: str,
        *,
        at: float,
        by: str,
        reason: str | None,
        arguments: Mapping[str, object],
        error: str | None,
        note: str | None,
    ) -> None:
        """`at`: epoch seconds. `error`: why it was refused. A disk that is full loses the line in
        the file, not the one in the log."""
        entry = {
            "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
            "action": action,
            "by": by,
            "reason": reason,
            "arguments": dict(arguments),
            "outcome": "done" if error is None else "refused",
            "error": error,
            "note": note,
        }
        log.log(
            logging.INFO if error is None else logging.WARNING,
            "%s %s",
            "Asked for and done" if error is None else "Asked for and refused",
            fields(
                action=action,
                by=by,
                reason=reason,
                arguments=json.dumps(entry["arguments"]),
                error=error,
                note=note,
            ),
            extra={"action": action},
        )
        try:
            with self._lock, open(self._path, "a", encoding="ascii", opener=_open_private) as out:
                out.write(json.dumps(entry) + "\n")
        except OSError as error_of_disk:
            log.error("The audit file is not written: %s", error_of_disk)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
