"""nodepool.yaml and secure.conf -> NodepoolConfig.

All problems of both files are told at once; a NodepoolConfig comes out only if there are none, so
that a bad file never replaces a good one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nodepool.config.clouds import CloudFiles, Clouds
from nodepool.config.labels import labels_of_targets, read_label, read_target
from nodepool.config.links import (
    Parts,
    check_links,
    complete_clouds,
    name_diskimages,
    warn_of_what_lacks,
)
from nodepool.config.providers import read_diskimage, read_provider
from nodepool.config.reading import named, word
from nodepool.config.secure import SecureConfig, parse_secure
from nodepool.config.services import read_cron, read_histories, read_publishers, read_servers
from nodepool.config.values import GEARMAN_PORT, ZOOKEEPER_PORT, NodepoolConfig, TargetConfig
from zuul.lib.config_file import warning_of_readers, warning_of_writers
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import Secret, secrets_in_url
from zuul.lib.yaml_document import Document
from zuul.lib.yaml_fields import Fields

DEFAULT_DBURI = "sqlite:////var/lib/nodepool/nodepool.sqlite"


class Checked(NamedTuple):
    """What came of the files."""

    #: None if there are problems
    config: NodepoolConfig | None
    problems: tuple[Problem, ...] = ()
    #: what loads, and is perhaps not meant so
    warnings: tuple[Problem, ...] = ()


class Text(NamedTuple):
    """A file's content and what problems call it."""

    content: str
    source: str
    readable_by_others: bool = False
    writable_by_others: bool = False


def read_config(
    path: Path, secure_path: Path | None = None, clouds: CloudFiles | None = None
) -> NodepoolConfig:
    """Raises ConfigError with all problems. `secure_path` None: there is no secure.conf; `clouds`
    None: entries of clouds.yaml that providers name are left alone."""
    return _usable(check_config(path, secure_path, clouds))


def parse_config(text: str, name: str, secure: Text | None = None) -> NodepoolConfig:
    """As read_config, of a text that problems call `name`."""
    return _usable(check_text(Text(text, name), secure))


def check_config(
    path: Path, secure_path: Path | None = None, clouds: CloudFiles | None = None
) -> Checked:
    """All that can be said of the files; never raises for what stands in them."""
    unread: list[Problem] = []
    main = _read(path, unread)
    secure = _read(secure_path, unread) if secure_path else None
    if main is None:
        return Checked(None, tuple(sorted(unread)))
    checked = check_text(main, secure, clouds.read if clouds else None)
    if unread:
        return Checked(None, tuple(sorted([*unread, *checked.problems])), checked.warnings)
    return checked


def check_text(
    main: Text, secure: Text | None = None, read_clouds: Callable[[], Clouds] | None = None
) -> Checked:
    """`read_clouds` is called if a provider names an entry of clouds.yaml."""
    try:
        document = Document(main.content, main.source)
    except ConfigError as error:
        return Checked(None, error.problems)
    fields = Fields(document, document.root, "a map with providers, labels and targets")
    parts = _read_parts(fields)
    main_secrets = _secrets_of(parts)
    if read_clouds is not None and any(p.cloud.cloud for p in parts.providers.values()):
        complete_clouds(document, parts, read_clouds())
    found = SecureConfig()
    if secure is not None:
        found = parse_secure(secure.content, secure.source, targets=parts.targets)
        found.warnings += _warnings_of_modes(secure, found.secrets())
    config = _read_config(fields, parts, found)
    if found.dburi is None:
        main_secrets += secrets_in_url(config.dburi)
    fields.pass_over_rest()
    check_links(document, parts)
    warn_of_what_lacks(document, config)
    modes = _warnings_of_modes(main, main_secrets)
    warnings = tuple(sorted([*document.warnings(), *found.warnings, *modes]))
    problems = tuple(sorted([*document.problems(), *found.problems]))
    if problems:
        return Checked(None, problems, warnings)
    return Checked(replace(config, warnings=warnings), (), warnings)


def _usable(checked: Checked) -> NodepoolConfig:
    if checked.config is None:
        raise ConfigError(checked.problems)
    return checked.config


def _read(path: Path, problems: list[Problem]) -> Text | None:
    path = path.expanduser()
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read().decode("utf-8-sig")
        return Text(
            text,
            str(path),
            bool(mode & (stat.S_IRWXG | stat.S_IRWXO)),
            bool(mode & (stat.S_IWGRP | stat.S_IWOTH)),
        )
    except OSError as error:
        problems.append(Problem(str(path), 0, "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), 0, "", f"is not UTF-8 at byte {error.start}"))
    return None


def _warnings_of_modes(text: Text, secrets: Iterable[Secret]) -> list[Problem]:
    found = []
    if text.readable_by_others and any(secrets):
        found.append(warning_of_readers(text.source))
    if text.writable_by_others:
        found.append(warning_of_writers(text.source))
    return found


def _secrets_of(parts: Parts) -> list[Secret]:
    """Those that stand in nodepool.yaml itself."""
    found = [p.cloud.password for p in parts.providers.values() if p.cloud.password]
    return found + [t.jenkins.apikey for t in parts.targets.values() if t.jenkins]


def _read_parts(fields: Fields) -> Parts:
    with_images: list[Fields] = []

    def target(each: Fields, name: str) -> TargetConfig:
        if each.take("images") is not None:
            with_images.append(each)
        return read_target(each, name)

    providers, provider_nodes = named(fields, "providers", read_provider)
    diskimages, _ = named(fields, "diskimages", read_diskimage)
    labels, label_nodes = named(fields, "labels", read_label)
    targets, _ = named(fields, "targets", target)
    if with_images and "labels" not in fields:
        labels, label_nodes = labels_of_targets(with_images)
    parts = Parts(labels, providers, targets, diskimages, label_nodes, provider_nodes)
    name_diskimages(parts)
    return parts


def _read_config(fields: Fields, parts: Parts, secure: SecureConfig) -> NodepoolConfig:
    dburi = word(fields, "dburi", None)
    targets = {
        name: replace(target, jenkins=secure.jenkins.get(name, target.jenkins))
        for name, target in parts.targets.items()
    }
    return NodepoolConfig(
        source=fields.document.source,
        dburi=secure.dburi or Secret(dburi or DEFAULT_DBURI),
        script_dir=word(fields, "script-dir", None),
        elements_dir=word(fields, "elements-dir", None),
        images_dir=word(fields, "images-dir", None),
        cron=read_cron(fields),
        max_hold_age=fields.number("max-hold-age", 0.0),
        zmq_publishers=read_publishers(fields),
        event_histories=read_histories(fields),
        gearman_servers=read_servers(fields, "gearman-servers", GEARMAN_PORT),
        zookeeper_servers=read_servers(fields, "zookeeper-servers", ZOOKEEPER_PORT),
        labels=MappingProxyType(parts.labels),
        providers=MappingProxyType(parts.providers),
        targets=MappingProxyType(targets),
        diskimages=MappingProxyType(parts.diskimages),
    )
