"""Up to when each connection was heard: state_dir/heard.json, so that a restart misses nothing.

What happens between two runs is made up by the connection's driver, from where the last run left
off.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from zuul.lib.logs import fields
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.Scheduler")

FILE_NAME = "heard.json"
WRITE_SECONDS = 10.0
#: as long as there is nothing to write
FIRST_WRITE_SECONDS = 0.2
#: what is older is history: nobody wants a week's changes tested at once
MOST_AGE_SECONDS = 24 * 3600.0

_DAMAGE = (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)

#: epoch seconds of the newest event, by connection; None: none yet
HeardUntil = Callable[[], Mapping[str, float | None]]


def read_heard(state_dir: Path, now: float) -> dict[str, float]:
    """What the last run wrote, as far as it is of use."""
    path = state_dir / FILE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): float(at)
            for name, at in found.items()
            if 0 <= now - float(at) <= MOST_AGE_SECONDS
        }
    except FileNotFoundError:
        return {}
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        log.warning("What was heard last is not known: %s %s", error, fields(file=path))
        return {}


class HeardKeeper:
    """Writes the file every few seconds, and at the end."""

    def __init__(self, state_dir: Path, heard_until: HeardUntil) -> None:
        self._path = state_dir / FILE_NAME
        self._heard_until = heard_until
        self._written: dict[str, float] = {}
        self._loop = Loop("heard-keeper", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()
        self.write()

    def write(self) -> None:
        heard = {name: at for name, at in self._heard_until().items() if at}
        if not heard or heard == self._written:
            return
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(heard) + "\n", encoding="utf-8")
        os.replace(new, self._path)
        self._written = heard

    def _turn(self, stopping: threading.Event) -> None:
        self.write()
        # A first run that dies early shall leave a mark too.
        stopping.wait(WRITE_SECONDS if self._written else FIRST_WRITE_SECONDS)
