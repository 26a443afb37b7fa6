"""Freezes and holds between two runs: state_dir/brakes.json.

A file that cannot be read freezes everything: what people stopped must not merge because a disk
has lost a block.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zuul.core.commands import KeepBrakes
from zuul.core.requests import BrakesRestored
from zuul.lib.logs import fields
from zuul.model.brakes import Freeze, Hold

log = logging.getLogger("zuul.Scheduler")

FILE_NAME = "brakes.json"
DAMAGED_SUFFIX = ".damaged"


def write_brakes(state_dir: Path, brakes: KeepBrakes) -> None:
    """Raises OSError; the file is then as it was."""
    path = state_dir / FILE_NAME
    new = path.with_suffix(".new")
    text = json.dumps(
        {
            "freezes": [asdict(freeze) for freeze in brakes.freezes],
            "holds": [asdict(hold) for hold in brakes.holds],
        },
        indent=1,
    )
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(new, path)


def read_brakes(state_dir: Path, now: float) -> BrakesRestored:
    """What `write_brakes` kept; after damage a freeze of everything that says so.

    `now`: epoch seconds.
    """
    path = state_dir / FILE_NAME
    try:
        brakes = _parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return BrakesRestored((), ())
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        log.error("Nothing merges: what was frozen is not known: %s %s", error, fields(file=path))
        return BrakesRestored((_freeze_all(path, now),), ())
    kept: tuple[Freeze | Hold, ...] = (*brakes.freezes, *brakes.holds)
    for brake in kept:
        log.info("A brake of an earlier run is on: %s %s", brake.text, fields(by=brake.by))
    return brakes


def _freeze_all(path: Path, now: float) -> Freeze:
    aside = path.with_name(path.name + DAMAGED_SUFFIX)
    try:
        os.replace(path, aside)
    except OSError as error:
        log.error("The damaged file stays where it is: %s %s", error, fields(file=path))
    reason = f"{path.name} was damaged, see {aside}"
    return Freeze(None, None, reason, by="zuul-server", at=now)


def _parse(data: Any) -> BrakesRestored:
    freezes = tuple(Freeze(**each) for each in data["freezes"])
    holds = tuple(Hold(**each) for each in data["holds"])
    for freeze in freezes:
        _check_texts(freeze.pipeline, freeze.project, required=(freeze.reason, freeze.by))
    for hold in holds:
        _check_texts(hold.patchset, required=(hold.pipeline, hold.number, hold.reason, hold.by))
    times = [freeze.at for freeze in freezes] + [hold.at for hold in holds]
    if not all(isinstance(at, (int, float)) for at in times):
        raise TypeError(f"a time is no number: {times}")
    return BrakesRestored(freezes, holds)


def _check_texts(*values: str | None, required: tuple[str, ...]) -> None:
    for value in (*(value for value in values if value is not None), *required):
        if not isinstance(value, str):
            raise TypeError(f"no text: {value!r}")
