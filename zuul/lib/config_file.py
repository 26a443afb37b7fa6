"""Reads an operator's file: bounded, as UTF-8, with what is wrong as a Problem."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from zuul.lib.problems import ConfigError, Problem

MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What stands in a file, and what others than its owner can do with it."""

    text: str
    readable_by_others: bool
    writable_by_others: bool = False


def read_config_file(path: Path) -> ConfigFile:
    """Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _error(path, f"is larger than {MAX_FILE_BYTES} bytes")
        text = content.decode("utf-8")
    except OSError as error:
        raise _error(path, f"cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(path, f"is not UTF-8: {error}", line) from error
    return ConfigFile(
        text, bool(mode & (stat.S_IRWXG | stat.S_IRWXO)), bool(mode & (stat.S_IWGRP | stat.S_IWOTH))
    )


def warning_of_readers(source: str) -> Problem:
    """Of a file with a password that others than its owner can read."""
    return Problem(
        source, 0, "", "holds a password and others than its owner can read it: chmod 600"
    )


def warning_of_writers(source: str) -> Problem:
    """Of a file that others than its owner can change."""
    return Problem(source, 0, "", "others than its owner can change it: chmod go-w")


def _error(path: Path, text: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(str(path), line, "", text)])
