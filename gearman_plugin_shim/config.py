"""ShimConfig: shim.conf as frozen values, and its reader.

`parse_config` is pure and tells all mistakes of a file at once; what it does not know it warns of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from zuul.lib import logs
from zuul.lib.config_file import read_config_file, warning_of_readers, warning_of_writers
from zuul.lib.fields import FieldReader
from zuul.lib.ini import IniFile, parse_ini
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import Secret, secrets_in_url
from zuul.lib.tls import TlsFiles, parse_tls_files

GEARMAN_PORT = 4730
PUBLISHER_PORT = 8888
HTTP_PORT = 8889

_MASTER_SECTION = re.compile(r"master\s+(\S.*)$")
_KNOWN_SECTIONS = frozenset({"gearman", "publisher", "shim"})
#: a master's name stands in Gearman functions and client ids
_NAME = re.compile(r"[\w.-]+$")
_ZMQ_ADDRESS = re.compile(r"(tcp://([\w.*-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5}|\*)|ipc://\S+)$")


@dataclass(frozen=True, slots=True)
class GearmanConfig:
    """[gearman]: the one Gearman server that every master takes its builds from."""

    server: str
    port: int = GEARMAN_PORT
    #: all three or none: gear's servers want a client's certificate
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """[publisher]: build events over ZeroMQ, and the last of each node over HTTP."""

    #: ZeroMQ address; None: nothing is published
    bind: str | None = f"tcp://*:{PUBLISHER_PORT}"
    #: None: not over HTTP
    http_host: str | None = None
    #: 0: any free port
    http_port: int = HTTP_PORT
    #: events kept for each node
    kept_events: int = 100


@dataclass(frozen=True, slots=True)
class MasterConfig:
    """[master NAME]: one Jenkins or Hudson."""

    #: the manager's name on the wire
    name: str
    #: without a slash at its end
    url: str
    user: str | None = None
    apikey: Secret | None = None
    #: a file of certificates to trust; None: the system's
    ca: Path | None = None
    #: seconds between looks at the computers while builds run or are expected
    poll_seconds: float = 1.0
    #: seconds between looks at the jobs
    jobs_poll_seconds: float = 5.0
    #: seconds that a request may take
    timeout_seconds: float = 30.0
    #: seconds that builds are kept open while the master does not answer
    grace_seconds: float = 120.0
    #: seconds that a build may wait in the master's queue before it is given back
    queue_seconds: float = 60.0
    #: requests at once
    connections: int = 4
    #: stop builds whose Gearman connection was lost, rather than keep them for a resubmission
    abort_on_disconnect: bool = False
    #: register functions of jobs that do not declare ZUUL_UUID
    accept_undeclared_uuid: bool = False


@dataclass(frozen=True, slots=True)
class ShimConfig:
    """The whole file."""

    source: str
    gearman: GearmanConfig
    publisher: PublisherConfig
    masters: Mapping[str, MasterConfig]
    #: SQLAlchemy URL of the journal
    dburi: Secret
    pidfile: Path
    log_config: Path | None = None
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    secrets: tuple[Secret, ...] = ()


def read_config(path: str | os.PathLike[str]) -> ShimConfig:
    """Read `path`; raises ConfigError. From here on this process's log hides its secrets."""
    file = Path(os.path.expanduser(path))
    found = read_config_file(file)
    config = parse_config(found.text, str(file), readable_by_others=found.readable_by_others)
    logs.hide(config.secrets)
    if found.writable_by_others:
        config = replace(config, warnings=(warning_of_writers(str(file)), *config.warnings))
    return config


def parse_config(
    text: str, name: str, *, home: Path | None = None, readable_by_others: bool = False
) -> ShimConfig:
    """The text of shim.conf as values; raises ConfigError with every mistake of it.

    `name` stands for the file in problems, `home` is what `~` means (default: the user's).
    """
    ini, problems = parse_ini(text, name)
    config = _Parser(ini, home, problems).parse(readable_by_others)
    if problems:
        raise ConfigError(problems)
    return config


class _Parser:
    def __init__(self, ini: IniFile, home: Path | None, problems: list[Problem]) -> None:
        self.ini = ini
        self.home = home
        self.problems = problems
        self.warnings: list[Problem] = []

    def parse(self, readable_by_others: bool) -> ShimConfig:
        reader = self._reader("shim")
        state_dir = reader.path("state_dir", "/var/lib/gearman-plugin-shim")
        default = Secret(f"sqlite:///{state_dir / 'journal.sqlite'}")
        dburi = reader.find_secret("dburi") or default
        pidfile = reader.path("pidfile", "/var/run/gearman-plugin-shim/gearman-plugin-shim.pid")
        log_config = reader.find_path("log_config")
        self._warn_of_unknown(reader)
        gearman, publisher, masters = self._gearman(), self._publisher(), self._masters()
        self._warn_of_unknown_sections()
        secrets = [master.apikey for master in masters.values() if master.apikey]
        if dburi is not default:
            secrets += secrets_in_url(dburi)
        if readable_by_others and secrets:
            self.warnings.append(warning_of_readers(self.ini.source))
        return ShimConfig(
            source=self.ini.source,
            gearman=gearman,
            publisher=publisher,
            masters=masters,
            dburi=dburi,
            pidfile=pidfile,
            log_config=log_config,
            warnings=tuple(sorted(self.warnings)),
            secrets=tuple(secrets),
        )

    def _reader(self, section: str) -> FieldReader:
        return FieldReader(self.ini, section, self.problems, home=self.home)

    def _warn_of_unknown(self, reader: FieldReader) -> None:
        self.warnings += reader.unknown(lambda key: "is not an option of ours and is passed over")

    def _gearman(self) -> GearmanConfig:
        reader = self._reader("gearman")
        config = GearmanConfig(
            server=reader.require_host("server"),
            port=reader.port("port", GEARMAN_PORT),
            tls=parse_tls_files(reader),
        )
        self._warn_of_unknown(reader)
        return config

    def _publisher(self) -> PublisherConfig:
        reader = self._reader("publisher")
        bind: str | None = reader.text("bind", f"tcp://*:{PUBLISHER_PORT}")
        if bind == "none":
            bind = None
        elif not _ZMQ_ADDRESS.match(bind or ""):
            reader.complain("bind", f"expected tcp://ADDRESS:PORT, ipc://PATH or none: {bind!r}")
        config = PublisherConfig(
            bind=bind,
            http_host=reader.find_host("http_host"),
            http_port=reader.port("http_port", HTTP_PORT, any_free=True),
            kept_events=reader.integer("kept_events", 100, least=1, most=10_000),
        )
        self._warn_of_unknown(reader)
        return config

    def _masters(self) -> dict[str, MasterConfig]:
        masters = {}
        for section in self.ini.sections.values():
            if match := _MASTER_SECTION.match(section.name):
                name = match.group(1).strip()
                masters[name] = self._master(section.name, name)
        if not masters:
            text = "has no [master NAME] section: there is no Jenkins to serve"
            self.problems.append(Problem(self.ini.source, 0, "", text))
        return masters

    def _master(self, section: str, name: str) -> MasterConfig:
        reader = self._reader(section)
        if not _NAME.match(name):
            reader.complain("name", f"letters, digits, '.', '_' and '-' only: {name!r}")
        reader.require_text("url")
        url = reader.url("url", "")
        if url and _has_more_than_a_place(url):
            reader.complain("url", "user, query and fragment do not belong there; see user, apikey")
        user, apikey = reader.find_text("user"), reader.find_secret("apikey")
        if (user is None) != (apikey is None):
            missing = "user" if user is None else "apikey"
            reader.complain(missing, "is required: user and apikey go together")
        config = MasterConfig(
            name=name,
            url=url,
            user=user,
            apikey=apikey,
            ca=reader.find_path("ca"),
            poll_seconds=self._seconds(reader, "poll", 1.0, 0.1, 60),
            jobs_poll_seconds=self._seconds(reader, "jobs_poll", 5.0, 0.1, 600),
            timeout_seconds=self._seconds(reader, "timeout", 30.0, 1, 600),
            grace_seconds=self._seconds(reader, "grace", 120.0, 1, 86_400),
            queue_seconds=self._seconds(reader, "queue_timeout", 60.0, 1, 86_400),
            connections=reader.integer("connections", 4, least=1, most=64),
            abort_on_disconnect=reader.boolean("abort_on_disconnect", False),
            accept_undeclared_uuid=reader.boolean("accept_undeclared_uuid", False),
        )
        self._warn_of_unknown(reader)
        return config

    def _seconds(
        self, reader: FieldReader, key: str, default: float, least: float, most: float
    ) -> float:
        value = reader.find_text(key)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            reader.complain(key, f"expected a number of seconds, not {value!r}")
            return default
        if not least <= number <= most:
            reader.complain(key, f"expected seconds from {least:g} to {most:g}, not {value}")
            return default
        return number

    def _warn_of_unknown_sections(self) -> None:
        for section in self.ini.sections.values():
            if section.name not in _KNOWN_SECTIONS and not _MASTER_SECTION.match(section.name):
                text = f"[{section.name}] is not a section of ours and is passed over"
                self.warnings.append(Problem(self.ini.source, section.line, "", text))


def _has_more_than_a_place(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return "@" in parts.netloc or bool(parts.query) or bool(parts.fragment) or not parts.hostname
