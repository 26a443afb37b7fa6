"""Reads the connections of zuul.conf: [connection NAME], and [gerrit] and [smtp] of old."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from zuul.config.values import (
    ConnectionConfig,
    GerritConnectionConfig,
    SmtpConnectionConfig,
    SqlConnectionConfig,
)
from zuul.lib.addresses import parse_addresses
from zuul.lib.fields import FALSE_WORDS, FieldReader
from zuul.lib.ini import IniFile
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret, secrets_in_url

#: the header of a section that makes a connection
CONNECTION_SECTION = re.compile(r"(?i:connection)(\s+(?P<name>.*?)\s*)?$|(?P<legacy>gerrit|smtp)$")
#: the built-in triggers; a connection of that name would hide them
_RESERVED = frozenset({"timer", "zuul"})
_PLAIN_HTTP_ELSEWHERE = r"http://(?!(localhost|127\.0\.0\.1|\[::1\])(:|/|$))"


def parse_connections(
    ini: IniFile, problems: list[Problem], warnings: list[Problem], home: Path | None
) -> tuple[MappingProxyType[str, ConnectionConfig], list[Secret]]:
    """All connections by name, in file order, and their secrets."""
    connections: dict[str, ConnectionConfig] = {}
    legacy: list[tuple[str, FieldReader]] = []
    for section in ini.sections:
        match = CONNECTION_SECTION.match(section)
        if match is None:
            continue
        reader = FieldReader(ini, section, problems, home=home)
        if match["legacy"]:
            legacy.append((match["legacy"], reader))
            continue
        name = _unquote(match["name"] or "")
        if not _is_usable_name(name, reader):
            continue
        if name in connections:
            warnings.append(reader.problem("driver", f"{name!r} is defined twice; this one counts"))
        connection = _parse_connection(name, reader, warnings)
        if connection is not None:
            connections[name] = connection
    for name, reader in legacy:
        if name in connections:
            text = f"[{name}] is passed over, as there is a [connection {name}]"
            warnings.append(reader.problem("server", text))
        else:
            connections[name] = _PARSERS[name](name, reader, warnings)
    secrets = [secret for each in connections.values() for secret in _secrets_of(each)]
    return MappingProxyType(connections), secrets


def same_server(
    this: GerritConnectionConfig, connections: Mapping[str, ConnectionConfig]
) -> frozenset[str]:
    """The other connections to the same Gerrit: a change of one is a change of all."""
    return frozenset(
        other.name
        for other in connections.values()
        if isinstance(other, GerritConnectionConfig)
        and other.name != this.name
        and (_address(other) == _address(this) or other.baseurl == this.baseurl)
    )


def _address(config: GerritConnectionConfig) -> tuple[str, int]:
    return config.server.lower(), config.port


def _unquote(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] and name[0] in "'\"":
        return name[1:-1]
    return name


def _is_usable_name(name: str, reader: FieldReader) -> bool:
    if not name:
        reader.complain("driver", "the connection has no name: [connection NAME]")
    elif name in _RESERVED:
        reader.complain("driver", f"{name!r} is a built-in trigger, take another name")
    else:
        return True
    return False


def _parse_connection(
    name: str, reader: FieldReader, warnings: list[Problem]
) -> ConnectionConfig | None:
    driver = reader.require_text("driver")
    parse = _PARSERS.get(driver)
    if parse is not None:
        return parse(name, reader, warnings)
    if driver:
        known = ", ".join(sorted(_PARSERS))
        reader.complain("driver", f"unknown driver {driver!r}, expected one of {known}")
    return None


def _parse_gerrit(
    name: str, reader: FieldReader, warnings: list[Problem]
) -> GerritConnectionConfig:
    server = reader.require_host("server")
    config = GerritConnectionConfig(
        name=name,
        server=server,
        user=reader.require_text("user"),
        port=reader.port("port", 29418),
        sshkey=reader.find_path("sshkey"),
        keepalive=reader.integer("keepalive", 60, most=86_400, unit="seconds"),
        baseurl=reader.url("baseurl", f"https://{server}"),
        strip_branch_ref=_parse_strip(reader, warnings),
        known_hosts=reader.find_path("known_hosts"),
        password=reader.find_secret("password"),
        verify_ssl=reader.boolean("verify_ssl", True),
        ca_file=reader.find_path("ca_file"),
    )
    if config.password and re.match(_PLAIN_HTTP_ELSEWHERE, config.baseurl):
        text = "the password travels unencrypted; use an https:// URL"
        warnings.append(reader.problem("baseurl", text))
    warnings += reader.unknown(_explain_unknown)
    return config


def _parse_strip(reader: FieldReader, warnings: list[Problem]) -> bool:
    # Compat: Zuul 2 took any text for true. Whoever wrote "false" meant false, and is told.
    value = reader.find_text("strip_branch_ref")
    if value is not None and value.lower() in FALSE_WORDS:
        text = f"{value!r} is read as false; Zuul 2 read any text as true"
        warnings.append(reader.problem("strip_branch_ref", text))
        return False
    return value is not None


def _parse_smtp(name: str, reader: FieldReader, warnings: list[Problem]) -> SmtpConnectionConfig:
    config = SmtpConnectionConfig(
        name=name,
        server=reader.host("server", "localhost"),
        port=reader.port("port", 25),
        default_from=reader.text("default_from", "zuul"),
        default_to=reader.text("default_to", "zuul"),
    )
    for key, addresses in (
        ("default_from", config.default_from),
        ("default_to", config.default_to),
    ):
        try:
            parse_addresses(addresses)
        except ValueError as error:
            reader.complain(key, str(error))
    warnings += reader.unknown(_explain_unknown)
    return config


def _parse_sql(name: str, reader: FieldReader, warnings: list[Problem]) -> SqlConnectionConfig:
    config = SqlConnectionConfig(name=name, dburi=reader.find_secret("dburi"))
    warnings += reader.unknown(_explain_unknown)
    return config


_Parse = Callable[[str, FieldReader, list[Problem]], ConnectionConfig]
_PARSERS: dict[str, _Parse] = {
    "gerrit": _parse_gerrit,
    "smtp": _parse_smtp,
    "sql": _parse_sql,
}


def _explain_unknown(key: str) -> str:
    return "is not an option of ours and is passed over"


def _secrets_of(config: ConnectionConfig) -> list[Secret]:
    if isinstance(config, GerritConnectionConfig) and config.password:
        return [config.password]
    if isinstance(config, SqlConnectionConfig) and config.dburi:
        return [config.dburi, *secrets_in_url(config.dburi)]
    return []
