"""ZuulConfig: zuul.conf as frozen values.

Handles to living things are never kept here: what a reload compares with `==` is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from zuul.config.swift import SwiftConfig
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret
from zuul.lib.tls import TlsFiles

GEARMAN_PORT = 4730


class Program(Enum):
    """Who reads the file: each needs other options."""

    SERVER = "zuul-server"
    MERGER = "zuul-merger"
    CLIENT = "zuul"


@dataclass(frozen=True, slots=True)
class GearmanConfig:
    """[gearman]: the Gearman server that everybody connects to."""

    server: str
    port: int = GEARMAN_PORT
    #: ask the server whether a function is registered before submitting a build
    check_job_registration: bool = True
    #: None: no TLS
    tls: TlsFiles | None = None
    #: the server's certificate must name `server`
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class GearmanServerConfig:
    """[gearman_server]: the Gearman server inside zuul-server."""

    start: bool
    #: None: all addresses
    listen_address: str | None
    #: 0: any free port
    port: int
    log_config: Path | None = None
    #: None: no TLS
    tls: TlsFiles | None = None
    #: who may do what, by certificate; None: everybody everything
    acl: Path | None = None


@dataclass(frozen=True, slots=True)
class WebappConfig:
    """[webapp]: status.json and the status page."""

    listen_address: str = "0.0.0.0"  # noqa: S104 -- Compat: sites' proxies expect it
    #: 0: any free port
    port: int = 8001


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """[zuul]: zuul-server itself."""

    #: None only where the program does not need it
    layout_config: Path | None
    log_config: Path | None
    pidfile: Path
    state_dir: Path
    report_times: bool = True
    status_url: str | None = None
    #: seconds
    status_expiry: int = 1
    url_pattern: str | None = None
    job_name_in_report: bool = False


@dataclass(frozen=True, slots=True)
class MergerConfig:
    """[merger]: zuul-merger."""

    git_dir: Path
    git_user_email: str | None
    git_user_name: str | None
    #: where this merger's git_dir is served; "" only where the program does not need it
    zuul_url: str
    log_config: Path | None
    pidfile: Path
    #: days after which a published ref may be removed; None: keep them
    ref_max_age_days: int | None = None


@dataclass(frozen=True, slots=True)
class GerritConnectionConfig:
    """[connection NAME] with driver=gerrit."""

    name: str
    server: str
    user: str
    port: int = 29418
    #: None: agent and default keys
    sshkey: Path | None = None
    #: seconds, 0: off
    keepalive: int = 60
    #: without trailing slash
    baseurl: str = ""
    strip_branch_ref: bool = False
    #: None: the user's ~/.ssh/known_hosts
    known_hosts: Path | None = None
    #: HTTP password; None: no REST
    password: Secret | None = None
    verify_ssl: bool = True
    #: certificates to trust instead of the system's
    ca_file: Path | None = None
    driver: str = "gerrit"


@dataclass(frozen=True, slots=True)
class SmtpConnectionConfig:
    """[connection NAME] with driver=smtp."""

    name: str
    server: str = "localhost"
    port: int = 25
    default_from: str = "zuul"
    default_to: str = "zuul"
    driver: str = "smtp"


@dataclass(frozen=True, slots=True)
class SqlConnectionConfig:
    """[connection NAME] with driver=sql."""

    name: str
    #: SQLAlchemy URI, with its password; None: reports are dropped
    dburi: Secret | None = None
    driver: str = "sql"


ConnectionConfig = GerritConnectionConfig | SmtpConnectionConfig | SqlConnectionConfig


@dataclass(frozen=True, slots=True)
class ZuulConfig:
    """A whole zuul.conf."""

    #: the file as the operator named it
    source: str
    gearman: GearmanConfig
    gearman_server: GearmanServerConfig
    webapp: WebappConfig
    zuul: ServerConfig
    #: None: there is no [merger]
    merger: MergerConfig | None
    #: by the name that layout.yaml uses, in file order
    connections: Mapping[str, ConnectionConfig]
    #: None: there is no [swift]
    swift: SwiftConfig | None = None
    #: what was passed over
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    #: every secret text of the file, for the log to hide
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
