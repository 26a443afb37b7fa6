"""What zuul-server's Gearman server reads of who may do what: certificates and the access list."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from zuul.lib.config_file import read_config_file
from zuul.lib.gearman.acl import Acl, parse_acl
from zuul.lib.modes import refuse_writers
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
    refuse_writers(path)
    return parse_acl(read_config_file(path).text, str(path))
