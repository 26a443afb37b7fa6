"""A site's image, and its build."""

from __future__ import annotations

from nodepool.core import events
from nodepool.model import CloudImage, MachineKey, Owner, SnapshotImage
from tests.unit.nodepool.core.site import CONFIG, Site

KEY = MachineKey("image", 1001)


def image(site: Site, number: int = 1001) -> SnapshotImage:
    return site.pool.images[number]


def list_images(site: Site, status: str = "ACTIVE", owner: Owner | None = None) -> None:
    site.now += 1
    found = CloudImage("new-image", status, owner)
    site.tell(events.ImagesListed("p", (found,), site.now))


def prepared(text: str = CONFIG) -> Site:
    """A site without an image, whose build is as far as its snapshot."""
    site = Site(text, images=())
    site.create()
    site.list()
    site.connect()
    site.tell(events.Prepared("image", 1001))
    return site
