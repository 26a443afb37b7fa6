"""Reads zuul.conf.

`parse_config` is pure and tells all mistakes of a file at once. An option it does not know is no
mistake, as files of any Zuul 2 must load unchanged: it is told in `ZuulConfig.warnings`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import replace
from pathlib import Path

from zuul.config.connections import CONNECTION_SECTION, parse_connections
from zuul.config.swift import parse_swift, secrets_of
from zuul.config.values import (
    GEARMAN_PORT,
    GearmanConfig,
    GearmanServerConfig,
    MergerConfig,
    Program,
    ServerConfig,
    WebappConfig,
    ZuulConfig,
)
from zuul.lib import logs
from zuul.lib.config_file import read_config_file, warning_of_readers, warning_of_writers
from zuul.lib.fields import FieldReader
from zuul.lib.ini import IniFile, parse_ini
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import Secret
from zuul.lib.tls import parse_tls_files

#: where the file is looked for, the first that exists
DEFAULT_PATHS = ("/etc/zuul/zuul.conf", "~/zuul.conf")

_KNOWN_SECTIONS = frozenset({"gearman", "gearman_server", "webapp", "zuul", "merger", "swift"})
#: sections of programs that share the file with ours
_FOREIGN_SECTION = re.compile(r"launcher$|(site|node)\s")
#: whatever git can fetch from
_GIT_SCHEMES = ("http://", "https://", "git://", "ssh://", "file://")
#: options of [zuul] in 2.0.0 that are the merger's since
_MOVED_TO_MERGER = frozenset({"git_dir", "git_user_email", "git_user_name", "zuul_url"})


def read_config(
    path: str | os.PathLike[str] | None = None, program: Program = Program.SERVER
) -> ZuulConfig:
    """Read `path`, else the first file of DEFAULT_PATHS; raises ConfigError.

    From here on the log of this process hides the file's secrets.
    """
    file = _find_file(path)
    found = read_config_file(file)
    config = parse_config(
        found.text, str(file), program=program, readable_by_others=found.readable_by_others
    )
    logs.hide(config.secrets)
    if found.writable_by_others:
        config = replace(config, warnings=(warning_of_writers(str(file)), *config.warnings))
    return config


def parse_config(
    text: str,
    name: str,
    *,
    program: Program = Program.SERVER,
    home: Path | None = None,
    readable_by_others: bool = False,
) -> ZuulConfig:
    """The text of zuul.conf as values; raises ConfigError with every mistake of it.

    `name` stands for the file in problems, `home` is what `~` means (default: the user's).
    """
    ini, problems = parse_ini(text, name)
    config = _Parser(ini, program, home, problems).parse(readable_by_others)
    if problems:
        raise ConfigError(problems)
    return config


def _find_file(path: str | os.PathLike[str] | None) -> Path:
    if path is not None:
        return Path(os.path.expanduser(path))
    for candidate in map(os.path.expanduser, DEFAULT_PATHS):
        if os.path.exists(candidate):
            return Path(candidate)
    text = f"no configuration file: neither of {', '.join(DEFAULT_PATHS)} exists"
    raise ConfigError([Problem("zuul.conf", 0, "", text)])


class _Parser:
    def __init__(
        self, ini: IniFile, program: Program, home: Path | None, problems: list[Problem]
    ) -> None:
        self.ini = ini
        self.program = program
        self.home = home
        self.problems = problems
        self.warnings: list[Problem] = []
        self.secrets: list[Secret] = []

    def parse(self, readable_by_others: bool) -> ZuulConfig:
        gearman = self._gearman()
        gearman_server = self._gearman_server(gearman)
        webapp = self._webapp()
        zuul = self._zuul()
        merger = self._merger()
        connections, secrets = parse_connections(self.ini, self.problems, self.warnings, self.home)
        swift = parse_swift(self._reader("swift"), self.warnings, _explain_unknown)
        self._warn_of_unknown_sections()
        secrets += secrets_of(swift) if swift else []
        if readable_by_others and secrets:
            self.warnings.append(warning_of_readers(self.ini.source))
        return ZuulConfig(
            source=self.ini.source,
            gearman=gearman,
            gearman_server=gearman_server,
            webapp=webapp,
            zuul=zuul,
            merger=merger,
            connections=connections,
            swift=swift,
            warnings=tuple(sorted(self.warnings)),
            secrets=tuple(secrets),
        )

    def _reader(self, section: str) -> FieldReader:
        return FieldReader(self.ini, section, self.problems, home=self.home)

    def _warn_of_unknown(self, reader: FieldReader) -> None:
        self.warnings += reader.unknown(_explain_unknown)

    def _gearman(self) -> GearmanConfig:
        reader = self._reader("gearman")
        config = GearmanConfig(
            server=reader.require_host("server"),
            port=reader.port("port", GEARMAN_PORT),
            check_job_registration=reader.boolean("check_job_registration", True),
            tls=parse_tls_files(reader),
            check_hostname=reader.boolean("ssl_check_hostname", True),
        )
        self._warn_of_unknown(reader)
        return config

    def _gearman_server(self, gearman: GearmanConfig) -> GearmanServerConfig:
        # Without TLS there is no authentication. So a server that nobody asked for is started only
        # where [gearman] points to this machine, and then heard by this machine alone; one that was
        # asked for listens on all addresses, as workers elsewhere have always needed.
        reader = self._reader("gearman_server")
        asked = reader.find_text("start") is not None
        start = reader.boolean("start", _is_loopback(gearman.server))
        listen_address = reader.find_host("listen_address")
        config = GearmanServerConfig(
            start=start,
            listen_address=listen_address or (None if asked else "127.0.0.1"),
            port=reader.port("port", gearman.port, any_free=True),
            log_config=reader.find_path("log_config"),
            tls=parse_tls_files(reader),
            acl=reader.find_path("acl"),
        )
        if config.acl is not None and config.tls is None:
            reader.complain("acl", "names certificates, so ssl_ca, ssl_cert and ssl_key are needed")
        is_ours = start and self.program is Program.SERVER
        if is_ours and (config.tls is None) != (gearman.tls is None):
            text = "are needed in both of [gearman] and [gearman_server], or in none of them"
            reader.complain("ssl_cert", f"ssl_ca, ssl_cert and ssl_key {text}")
        self._warn_of_unknown(reader)
        return config

    def _webapp(self) -> WebappConfig:
        reader = self._reader("webapp")
        config = WebappConfig(
            listen_address=reader.host("listen_address", "0.0.0.0"),  # noqa: S104 -- as in WebappConfig
            port=reader.port("port", 8001, any_free=True),
        )
        self._warn_of_unknown(reader)
        return config

    def _zuul(self) -> ServerConfig:
        reader = self._reader("zuul")
        layout = reader.find_path("layout_config")
        if layout is None and self.program is Program.SERVER:
            reader.complain("layout_config", "is required")
        config = ServerConfig(
            layout_config=layout,
            log_config=reader.find_path("log_config"),
            pidfile=reader.path("pidfile", "/var/run/zuul/zuul.pid"),
            state_dir=reader.path("state_dir", "/var/lib/zuul"),
            report_times=reader.boolean("report_times", True),
            status_url=reader.find_text("status_url"),
            status_expiry=reader.integer("status_expiry", 1, most=86_400, unit="seconds"),
            url_pattern=reader.find_text("url_pattern"),
            job_name_in_report=reader.boolean("job_name_in_report", False),
        )
        self.warnings += reader.unknown(_explain_zuul_option)
        return config

    def _merger(self) -> MergerConfig | None:
        reader = self._reader("merger")
        needed = self.program is Program.MERGER
        if not reader.present and not needed:
            return None
        zuul_url = reader.url("zuul_url", "", _GIT_SCHEMES)
        if needed and not zuul_url:
            reader.complain("zuul_url", "is required")
        age = reader.integer("ref_max_age_days", 0, least=1, most=36_500, unit="days")
        config = MergerConfig(
            git_dir=reader.path("git_dir", "/var/lib/zuul/git"),
            git_user_email=reader.find_text("git_user_email"),
            git_user_name=reader.find_text("git_user_name"),
            zuul_url=zuul_url,
            log_config=reader.find_path("log_config"),
            pidfile=reader.path("pidfile", "/var/run/zuul-merger/zuul-merger.pid"),
            ref_max_age_days=age or None,
        )
        self._warn_of_unknown(reader)
        return config

    def _warn_of_unknown_sections(self) -> None:
        for section in self.ini.sections.values():
            name = section.name
            if name in _KNOWN_SECTIONS or CONNECTION_SECTION.match(name):
                continue
            if not _FOREIGN_SECTION.match(name):
                text = f"[{name}] is not a section of ours and is passed over"
                self.warnings.append(Problem(self.ini.source, section.line, "", text))


def _explain_unknown(key: str) -> str:
    return "is not an option of ours and is passed over"


def _explain_zuul_option(key: str) -> str:
    if key in _MOVED_TO_MERGER:
        return f"is passed over: it is an option of [merger] now, {key} = ..."
    return _explain_unknown(key)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.localdomain")
