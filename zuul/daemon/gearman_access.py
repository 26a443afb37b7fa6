"""What zuul-server's Gearman server reads of who may do what: certificates and the access list."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from zuul.lib.gearman.acl import MAX_FILE_BYTES, Acl, parse_acl
from zuul.lib.modes import problem_of_writers
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.tls import TlsError, TlsFiles, server_context


@dataclass(frozen=True, slots=True)
class Access:
    """None of either: everybody may do everything."""

    ssl_context: ssl.SSLContext | None = None
    acl: Acl | None = None


def read_access(tls: TlsFiles | None, acl: Path | None) -> Access:
    """Read the files. Raises ConfigError with what cannot be used of them."""
    try:
        context = server_context(tls) if tls else None
    except TlsError as error:
        raise ConfigError([Problem("[gearman_server]", 0, "", str(error))]) from error
    return Access(context, read_acl(acl) if acl else None)


def read_acl(path: Path) -> Acl:
    """Raises ConfigError, also for a list that others than its owner can change."""
    try:
        problem = problem_of_writers(path)
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error}")]) from error
    if len(content) > MAX_FILE_BYTES:
        problem = Problem(str(path), 0, "", f"is larger than {MAX_FILE_BYTES} bytes")
    if problem is not None:
        raise ConfigError([problem])
    return parse_acl(text, str(path))
