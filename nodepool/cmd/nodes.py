"""nodepool list, hold, delete."""

from __future__ import annotations

import argparse
import time
from typing import Literal

from nodepool.cmd.site import CommandError, Site, opened, row_id, seconds, show, tell
from nodepool.cmd.waiting import Watch
from nodepool.model import Node, NodeState
from nodepool.status import node_table

#: how long `--now` waits: a cloud has ten minutes to delete a server
DELETE_SECONDS = 900.0


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], usual: argparse.ArgumentParser
) -> None:
    every = commands.add_parser("list", parents=[usual], help="list the nodes")
    every.set_defaults(run=list_nodes)

    hold = commands.add_parser("hold", parents=[usual], help="keep a node until it is deleted")
    hold.add_argument("id", type=row_id, metavar="ID")
    hold.add_argument("--reason", metavar="TEXT", help="why: the node's comment")
    hold.set_defaults(run=hold_node)

    delete = commands.add_parser("delete", parents=[usual], help="delete a node")
    delete.add_argument("id", type=row_id, metavar="ID")
    delete.add_argument("--now", action="store_true", help="wait until it is gone")
    delete.add_argument(
        "--timeout",
        type=seconds,
        default=DELETE_SECONDS,
        metavar="SECONDS",
        help="how long --now waits (%(default).0f)",
    )
    delete.set_defaults(run=delete_node)


def list_nodes(options: argparse.Namespace) -> int:
    with opened(options) as site:
        show(node_table(site.people.nodes(), time.time()), options)
    return 0


def hold_node(options: argparse.Namespace) -> int:
    with opened(options) as site:
        _set_state(site, options, NodeState.HOLD, options.reason)
    return 0


def delete_node(options: argparse.Namespace) -> int:
    with opened(options) as site:
        _set_state(site, options, NodeState.DELETE)
        _check_provider(site, options.id)
        if options.now:
            Watch(site.people, options.timeout).wait(lambda: _remains(site, options.id))
            tell(f"Node {options.id} is gone.")
        elif not site.people.daemon().holder:
            tell("No nodepoold runs; the node is deleted when one does.")
    return 0


def _set_state(
    site: Site,
    options: argparse.Namespace,
    state: Literal[NodeState.HOLD, NodeState.DELETE],
    comment: str | None = None,
) -> None:
    now = time.time()
    if not site.people.set_state(options.id, state, now, comment):
        raise CommandError(f"Node {options.id} not found.")
    node = site.people.node(options.id)
    # A daemon can be quick: of a node that is gone already there is no row to print.
    show(node_table([node] if node else [], now), options)


def _check_provider(site: Site, node_id: int) -> None:
    """To wait for a provider that left the file is of no use."""
    node = site.people.node(node_id)
    if node is None or not node.room or node.provider in site.config.providers:
        return
    servers = ", ".join(m.server_id or "no id known" for m in node.machines if m.takes_room)
    raise CommandError(
        f"Node {node_id} is marked, but {site.config.source} has no provider {node.provider}:"
        f" nobody can be asked to delete its server ({servers}) until it has"
    )


def _remains(site: Site, node_id: int) -> str | None:
    """What keeps the row; None: it is gone."""
    node = site.people.node(node_id)
    if node is None:
        return None
    if node.state is not NodeState.DELETE:
        raise CommandError(f"Node {node_id} is not to be deleted any more: it is {node.state.word}")
    return f"Node {node_id} still has {' and '.join(_parts(node))}"


def _parts(node: Node) -> list[str]:
    parts = [
        f"a server in {node.provider} ({machine.server_id or 'no id known yet'})"
        for machine in node.machines
        if machine.takes_room
    ]
    if node.registered:
        parts.append(f"an entry in {node.target}")
    return parts or ["its row"]
