"""nodepool alien-computer-list, alien-computer-delete: what is in the targets and in no row."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from nodepool.alien_computers import ListedComputer, rows_by_name, why_it_stays
from nodepool.cmd.site import CommandError, Site, opened, seconds, show, tell
from nodepool.config import TargetConfig
from nodepool.drivers.target_jenkins import TargetJenkins
from nodepool.errors import NoTurn, TargetError, TargetUnavailable
from nodepool.status import alien_computer_table
from zuul.lib.caller import caller
from zuul.lib.logs import fields

log = logging.getLogger("nodepool.Aliens")

#: for the requests to one target
LIST_SECONDS = 120.0
DELETE_SECONDS = 900.0


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], usual: argparse.ArgumentParser
) -> None:
    listing = commands.add_parser(
        "alien-computer-list",
        parents=[usual],
        help="list nodes of a nodepool that are in the targets and in no row",
    )
    listing.add_argument("target", nargs="?", metavar="TARGET", help="else all")
    listing.set_defaults(run=list_computers)

    deletion = commands.add_parser(
        "alien-computer-delete",
        parents=[usual],
        help="delete nodes of a nodepool that are in a target and in no row",
    )
    deletion.add_argument("target", metavar="TARGET")
    deletion.add_argument("nodenames", nargs="+", metavar="NODENAME")
    deletion.add_argument(
        "--timeout",
        type=seconds,
        default=DELETE_SECONDS,
        metavar="SECONDS",
        help="after which no request is begun (%(default).0f)",
    )
    deletion.set_defaults(run=delete_computers)


def list_computers(options: argparse.Namespace) -> int:
    aliens: list[tuple[str, ListedComputer]] = []
    failed = False
    with opened(options) as site:
        for target in _targets(site, options.target):
            try:
                aliens += [(target.name, each) for each in _aliens(site, target)]
            except TargetError as error:
                tell(f"{target.name} is left out: {error}")
                failed = True
    show(alien_computer_table(aliens), options)
    return 1 if failed else 0


def delete_computers(options: argparse.Namespace) -> int:
    """Each is looked at anew just before: what is idle may not be so for long."""
    deleted: list[tuple[str, ListedComputer]] = []
    with opened(options) as site:
        (target,) = _targets(site, options.target)
        names = list(dict.fromkeys(options.nodenames))
        with _connected(target) as jenkins:
            until = time.monotonic() + options.timeout
            for name in names:
                try:
                    computer = _delete(site, jenkins, name, until)
                except TargetError as error:
                    tell(f"{name} may be there still: {error}")
                    if isinstance(error, TargetUnavailable | NoTurn):
                        break  # nor has it an answer to the rest
                else:
                    deleted += [(target.name, computer)] if computer else []
    show(alien_computer_table(deleted), options)
    return 0 if len(deleted) == len(names) else 1


def _aliens(site: Site, target: TargetConfig) -> list[ListedComputer]:
    """Rows are read after the list: else a node just made would be an alien."""
    until = time.monotonic() + LIST_SECONDS
    with _connected(target) as jenkins:
        computers = jenkins.list_computers(until)
        rows = rows_by_name(site.people.nodes())
        unknown = [each for each in computers if each.name not in rows]
        described = (jenkins.described(each, until) for each in unknown)
        return [each for each in described if each.label is not None]


def _delete(site: Site, jenkins: TargetJenkins, name: str, until: float) -> ListedComputer | None:
    """None: it may not be deleted, which is told."""
    computers = jenkins.list_computers(until)
    computer = next((each for each in computers if each.name == name), None)
    rows = rows_by_name(site.people.nodes())
    if computer is not None and name not in rows:
        computer = jenkins.described(computer, until)
    if reason := why_it_stays(name, computer, rows):
        tell(f"{name} stays: {reason}")
        return None
    jenkins.delete_node(name, until)
    about = fields(target=jenkins.target, nodename=name, by=caller())
    log.info("Computer without a row deleted by request %s", about)
    return computer


@contextmanager
def _connected(target: TargetConfig) -> Iterator[TargetJenkins]:
    assert target.jenkins is not None
    with closing(TargetJenkins(target.name, target.jenkins, connections=1)) as jenkins:
        yield jenkins


def _targets(site: Site, name: str | None) -> list[TargetConfig]:
    """Those with a Jenkins."""
    targets = {each.name: each for each in site.config.targets.values() if each.jenkins is not None}
    if name is None:
        return list(targets.values())
    if name not in targets:
        known = ", ".join(targets) or "none"
        raise CommandError(f"There is no target {name!r} with a Jenkins; there are: {known}")
    return [targets[name]]
