"""What every command stands on: the configuration, the database, and how the answer is printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodepool.config import CloudFiles, NodepoolConfig, read_config
from nodepool.db.database import Database
from nodepool.db.people import People
from nodepool.errors import NodepoolError
from nodepool.status import Table
from zuul.lib import logs

CONFIG = Path("/etc/nodepool/nodepool.yaml")
SECURE = Path("/etc/nodepool/secure.conf")
#: ids are 32 bits wide in the database
_HIGHEST_ID = 2**31 - 1


class CommandError(NodepoolError):
    """What was asked for cannot be done, or was not."""


@dataclass(frozen=True, slots=True)
class Site:
    """One nodepool, as a command sees it."""

    config: NodepoolConfig
    people: People


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Site]:
    """Raises ConfigError, StoreError. Nothing is made that is not there: that is the daemon's."""
    config = read_config(options.config, secure_path(options.secure), cloud_files())
    logs.hide(config.secrets())
    database = Database(config.dburi, create=False)
    try:
        database.check()
        yield Site(config, People(database))
    finally:
        database.close()


def secure_path(given: Path | None) -> Path | None:
    """The file of -s, else the usual one if it is there."""
    if given is not None:
        return given
    try:
        SECURE.stat()
    except FileNotFoundError:
        return None
    except OSError:
        pass  # to be told when it is read
    return SECURE


def cloud_files() -> CloudFiles:
    """Where clouds.yaml may stand, for who runs this."""
    return CloudFiles(os.environ, Path.cwd(), Path.home())


def show(table: Table, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(table.json(), indent=1))
    else:
        print(table.text())
    sys.stdout.flush()


def tell(text: str) -> None:
    """Besides the answer: stdout is for programs."""
    print(logs.redact(logs.escape_controls(text)), file=sys.stderr, flush=True)


def row_id(text: str) -> int:
    """For argparse."""
    number = whole_number(text)
    if number > _HIGHEST_ID:
        raise argparse.ArgumentTypeError(f"{text} is too high for an id")
    return number


def whole_number(text: str) -> int:
    """For argparse: 0 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise argparse.ArgumentTypeError(f"expected a whole number, not {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """For argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, not {text!r}")
    return value
