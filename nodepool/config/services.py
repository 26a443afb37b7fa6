"""The short parts of nodepool.yaml: cron, where build events come from, Gearman and ZooKeeper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nodepool.config.reading import is_nothing, maps, require_name, word
from nodepool.config.values import CronConfig, ServerAddress
from zuul.lib.cron import parse_cron
from zuul.lib.tls import TlsFiles
from zuul.lib.yaml_fields import Fields

_HOST = r"([\w.-]+|\[[0-9a-fA-F:.]+\])"
_ZMQ = re.compile(rf"(tcp://{_HOST}:\d{{1,5}}|ipc://\S+)", re.ASCII)
#: no user, whose password would stand in the log, and neither query nor fragment
_HTTP = re.compile(rf"https?://{_HOST}(:(?P<port>\d{{1,5}}))?(/[\w./~%-]*)?", re.ASCII)


def read_cron(parent: Fields) -> CronConfig:
    node = parent.take("cron")
    default = CronConfig()
    if node is None or is_nothing(node):
        return default
    fields = Fields(parent.document, node)
    # Files of 2013 say update-image.
    image_update = _schedule(fields, "update-image", default.image_update)
    config = CronConfig(
        image_update=_schedule(fields, "image-update", image_update),
        cleanup=_schedule(fields, "cleanup", default.cleanup),
        check=_schedule(fields, "check", default.check),
    )
    fields.pass_over_rest()
    return config


def _schedule(fields: Fields, key: str, default: str) -> str:
    node = fields.take(key)
    text = None if node is None else fields.document.text(node)
    if node is None or text is None:
        return default
    try:
        parse_cron(text)
    except ValueError as error:
        fields.document.complain(node, str(error))
    return text


def read_publishers(parent: Fields) -> tuple[str, ...]:
    return _read_addresses(parent, "zmq-publishers", _ZMQ.fullmatch, "tcp://HOST:PORT")


def read_histories(parent: Fields) -> tuple[str, ...]:
    """Addresses, without a slash at the end, each once."""
    found = _read_addresses(parent, "event-histories", _is_http, "http://HOST:PORT")
    return tuple(dict.fromkeys(url.rstrip("/") for url in found))


def _read_addresses(
    parent: Fields, key: str, fits: Callable[[str], object], expected: str
) -> tuple[str, ...]:
    """Each once."""
    node = parent.take(key)
    if node is None or is_nothing(node):
        return ()
    document = parent.document
    found: dict[str, None] = {}
    for item in document.sequence(node):
        address = document.text(item)
        if address is None:
            continue
        if not fits(address):
            document.complain(item, f"expected {expected}, not {address!r}")
        found[address] = None
    return tuple(found)


def _is_http(url: str) -> bool:
    match = _HTTP.fullmatch(url)
    return match is not None and 0 < int(match["port"] or 80) < 1 << 16


def read_servers(parent: Fields, key: str, port: int) -> tuple[ServerAddress, ...]:
    found = []
    for fields in maps(parent, key):
        address = ServerAddress(
            host=require_name(fields, "host"),
            port=fields.integer("port", port, least=1, most=65535),
            chroot=word(fields, "chroot", ""),
            tls=_tls_files(fields),
            check_hostname=fields.flag("ssl-check-hostname", True),
        )
        fields.pass_over_rest()
        found.append(address)
    return tuple(found)


def _tls_files(fields: Fields) -> TlsFiles | None:
    """ssl-ca, ssl-cert and ssl-key: all three or none."""
    keys = ("ssl-ca", "ssl-cert", "ssl-key")
    given = {key: path for key in keys if (path := word(fields, key, ""))}
    if not given:
        return None
    for key in keys:
        if key not in given:
            fields.missing(key)
    ca, certificate, private = (Path(given.get(key, "")).expanduser() for key in keys)
    return TlsFiles(ca, certificate, private)
