"""What a reload changes: only what differs is started anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from nodepool.config.values import NodepoolConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changed:
    """Of things with a name: those that came, went, and differ."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two configurations."""

    #: the database's address is another
    database: bool
    #: whose client must be made anew: login, place, rate, time-out
    clouds: Changed
    #: whose Jenkins client must be made anew
    targets: Changed
    #: ZeroMQ addresses; none of them is ever `changed`
    publishers: Changed
    #: addresses of event histories, likewise
    histories: Changed
    #: any Gearman server came or went
    gearman: bool
    #: the names of the jobs whose time is another: image_update, cleanup, check
    crons: frozenset[str]
    #: these take effect by being there
    providers: Changed
    labels: Changed
    diskimages: Changed


def compare(old: NodepoolConfig, new: NodepoolConfig) -> Difference:
    return Difference(
        database=old.dburi != new.dburi,
        clouds=_changed(
            {name: provider.cloud for name, provider in old.providers.items()},
            {name: provider.cloud for name, provider in new.providers.items()},
        ),
        targets=_changed(
            {name: (target.jenkins, target.rate) for name, target in old.targets.items()},
            {name: (target.jenkins, target.rate) for name, target in new.targets.items()},
        ),
        publishers=_changed(
            dict.fromkeys(old.zmq_publishers, ""), dict.fromkeys(new.zmq_publishers, "")
        ),
        histories=_changed(
            dict.fromkeys(old.event_histories, ""), dict.fromkeys(new.event_histories, "")
        ),
        gearman=set(old.gearman_servers) != set(new.gearman_servers),
        crons=frozenset(
            each.name
            for each in fields(old.cron)
            if getattr(old.cron, each.name) != getattr(new.cron, each.name)
        ),
        providers=_changed(old.providers, new.providers),
        labels=_changed(old.labels, new.labels),
        diskimages=_changed(old.diskimages, new.diskimages),
    )


def _changed(old: Mapping[str, T], new: Mapping[str, T]) -> Changed:
    return Changed(
        added=frozenset(new.keys() - old.keys()),
        removed=frozenset(old.keys() - new.keys()),
        changed=frozenset(name for name in old.keys() & new.keys() if old[name] != new[name]),
    )
