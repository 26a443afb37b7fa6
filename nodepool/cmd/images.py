"""nodepool image-list, image-update, image-delete, and what there is to say of disk images."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from nodepool.cmd.site import CommandError, Site, opened, row_id, seconds, show, tell
from nodepool.cmd.waiting import Watch
from nodepool.model import SnapshotImage
from nodepool.status import dib_image_table, image_table
from nodepool.updates import Plan, Progress, plan_updates

#: seconds that --now waits
DELETE_SECONDS = 900.0
#: seconds: a build may take four hours to prepare and six to save, with its server's start
BUILD_SECONDS = 12 * 3600.0


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], usual: argparse.ArgumentParser
) -> None:
    every = commands.add_parser("image-list", parents=[usual], help="list the images")
    every.set_defaults(run=list_images)
    disk = commands.add_parser("dib-image-list", parents=[usual], help="list disk images: none")
    disk.set_defaults(run=list_disk_images)

    update = commands.add_parser("image-update", parents=[usual], help="build an image anew")
    update.add_argument("provider", metavar="PROVIDER", help="or: all")
    update.add_argument("image", metavar="IMAGE")
    update.add_argument("--no-wait", action="store_true", help="only ask nodepoold for it")
    _add_timeout(update, BUILD_SECONDS, "how long to wait")
    update.set_defaults(run=update_image)

    delete = commands.add_parser("image-delete", parents=[usual], help="delete an image")
    delete.add_argument("id", type=row_id, metavar="ID")
    delete.add_argument("--now", action="store_true", help="wait until it is gone")
    delete.add_argument(
        "--force",
        action="store_true",
        help="drop its row even if its cloud cannot be asked; what it has there may stay there",
    )
    _add_timeout(delete, DELETE_SECONDS, "how long --now waits")
    delete.set_defaults(run=delete_image)

    for name in ("image-build", "image-upload", "dib-image-delete"):
        refused = commands.add_parser(name, parents=[usual], help="disk images are not built here")
        refused.add_argument("rest", nargs="*", metavar="...")
        refused.set_defaults(run=refuse)


def _add_timeout(command: argparse.ArgumentParser, default: float, help_text: str) -> None:
    command.add_argument(
        "--timeout",
        type=seconds,
        default=default,
        metavar="SECONDS",
        help=f"{help_text} (%(default).0f)",
    )


def list_images(options: argparse.Namespace) -> int:
    with opened(options) as site:
        show(image_table(site.people.images(), time.time()), options)
    return 0


def list_disk_images(options: argparse.Namespace) -> int:
    """As of a nodepool that has none, so that scripts that look at it go on working."""
    show(dib_image_table(), options)
    return 0


def refuse(options: argparse.Namespace) -> int:
    raise CommandError(
        f"{options.command}: this nodepool builds and uploads no disk images. Images are snapshots"
        " of servers: give the image a base-image and a setup script, and see image-update."
    )


def update_image(options: argparse.Namespace) -> int:
    """Exit status 1 if any of the builds came to nothing."""
    with opened(options) as site:
        plan = plan_updates(site.config, options.provider, options.image)
        for text in plan.left_out:
            tell(f"Left out: {text}")
        before = site.people.images()
        builds = [Progress.of(place, before) for place in plan.places]
        requests = [site.people.request_image(*place) for place in plan.places]
        if options.no_wait:
            _tell_what_waits(site, plan)
            return 0
        Watch(site.people, options.timeout).wait(lambda: _look(site, builds, requests))
        ready = [build.ready for build in builds]
        images = [each for each in site.people.images() if each.id in ready]
        show(image_table(images, time.time()), options)
    failed = [_what_failed(build) for build in builds if build.ready is None]
    if failed:
        raise CommandError("\n".join(failed))
    return 0


def _look(site: Site, builds: Sequence[Progress], requests: Sequence[int]) -> str | None:
    waiting = [site.people.is_waiting(request) for request in requests]
    images = site.people.images()
    for build, waits in zip(builds, waiting, strict=True):
        build.look(images, waits)
    return "; ".join(build.text for build in builds if not build.is_over) or None


def _what_failed(build: Progress) -> str:
    provider, image = build.place
    why = f"nodepoold's log says why (nodepool.image.build.{provider}.{image})"
    if not build.has_begun:
        why = "nodepoold began nothing; does it go by the same nodepool.yaml?"
    return f"Image {image} of {provider} was not built; {why}"


def _tell_what_waits(site: Site, plan: Plan) -> None:
    when = "soon" if site.people.daemon().holder else "when it runs"
    for provider, image in plan.places:
        tell(f"nodepoold builds {image} of {provider} {when}.")


def delete_image(options: argparse.Namespace) -> int:
    with opened(options) as site:
        image = site.people.image(options.id)
        if image is None or not site.people.request_image_deletion(image.id, force=options.force):
            raise CommandError(f"Image {options.id} not found.")
        if options.force and (parts := _parts(image)):
            tell(f"May stay in {image.provider}, as no row knows of it then: {', '.join(parts)}.")
        if options.now:
            Watch(site.people, options.timeout).wait(lambda: _remains(site, options.id))
            tell(f"Image {options.id} is gone.")
        else:
            when = "soon" if site.people.daemon().holder else "when it runs"
            tell(f"nodepoold deletes image {options.id} {when}.")
    return 0


def _remains(site: Site, image_id: int) -> str | None:
    image = site.people.image(image_id)
    if image is None:
        return None
    parts = " and ".join(_parts(image)) or "its row"
    return f"Image {image_id} ({image.state.word}) still has in {image.provider}: {parts}"


def _parts(image: SnapshotImage) -> list[str]:
    parts = [f"its image ({image.external_id})"] if image.external_id else []
    if image.machine.takes_room:
        parts.append(f"a server ({image.machine.server_id or 'no id known'})")
    if image.keypair:
        parts.append(f"the key pair {image.keypair}")
    return parts
