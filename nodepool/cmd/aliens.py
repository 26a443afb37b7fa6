"""nodepool alien-list, alien-image-list: what is in the clouds and in no row of ours."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TypeVar

from nodepool.aliens import Rows, alien_images, alien_servers
from nodepool.cmd.site import CommandError, Site, opened, show, tell
from nodepool.config import ProviderConfig
from nodepool.drivers.nova import NovaProvider
from nodepool.errors import ProviderError
from nodepool.status import alien_image_table, alien_table

T = TypeVar("T")


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], usual: argparse.ArgumentParser
) -> None:
    for name, run, help_text in (
        ("alien-list", list_servers, "list servers that are in the clouds and not ours"),
        ("alien-image-list", list_images, "list snapshots that are in the clouds and not ours"),
    ):
        command = commands.add_parser(name, parents=[usual], help=help_text)
        command.add_argument("provider", nargs="?", metavar="PROVIDER", help="else all")
        command.set_defaults(run=run)


def list_servers(options: argparse.Namespace) -> int:
    with opened(options) as site:
        listed, failed = _ask(site, options.provider, NovaProvider.list_servers)
        rows = _rows(site)
    show(alien_table((p, s) for p, found in listed for s in alien_servers(found, rows)), options)
    return 1 if failed else 0


def list_images(options: argparse.Namespace) -> int:
    with opened(options) as site:
        listed, failed = _ask(site, options.provider, NovaProvider.list_images)
        rows = _rows(site)
    aliens = ((p, i) for p, found in listed for i in alien_images(found, rows))
    show(alien_image_table(aliens), options)
    return 1 if failed else 0


def _ask(
    site: Site, provider: str | None, question: Callable[[NovaProvider], Iterable[T]]
) -> tuple[list[tuple[str, list[T]]], bool]:
    """Answers by provider, and whether some gave none: those are told of."""
    answers: list[tuple[str, list[T]]] = []
    failed = False
    for config in _providers(site, provider):
        try:
            with closing(NovaProvider(config)) as cloud:
                answers.append((config.name, list(question(cloud))))
        except ProviderError as error:
            tell(f"{config.name} is left out: {error}")
            failed = True
    return answers, failed


def _providers(site: Site, name: str | None) -> list[ProviderConfig]:
    providers = site.config.providers
    if name is None:
        return list(providers.values())
    if name not in providers:
        known = ", ".join(providers) or "none"
        raise CommandError(f"There is no provider {name!r}; there are: {known}")
    return [providers[name]]


def _rows(site: Site) -> Rows:
    return Rows(
        nodes=site.people.nodes(),
        images=site.people.images(),
        nodepool_id=site.people.daemon().nodepool_id,
        own_ids={
            each.name: each.nodepool_id
            for each in site.config.providers.values()
            if each.nodepool_id
        },
    )
