"""The commands about images on a SQLite file, with a daemon's part played by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.core.commands import RemoveImage, RemoveRequest, SaveImage
from nodepool.core.events import ImageDeletionRequested, ImageRequested
from nodepool.model import Machine, NodeState, Presence
from tests.integration.nodepool_store_world import Site, new_image
from tests.unit.nodepool.cmd.desk import Desk, wait_with


def test_image_list(desk: Desk, site: Site) -> None:
    site.store.commit([SaveImage(new_image(site))])
    (row,) = [line for line in desk.run("image-list").splitlines() if "precise" in line]
    assert row.split("|")[8].strip() == "building"


def test_requests_without_waiting(desk: Desk, site: Site) -> None:
    image = new_image(site)
    site.store.commit([SaveImage(image)])
    desk.run("image-update", "all", "precise", "--no-wait")
    assert desk.said == "nodepoold builds precise of cloud soon.\n"
    desk.run("image-delete", image.id)
    assert desk.said == f"nodepoold deletes image {image.id} soon.\n"
    built, deleted = site.store.requests()
    assert built == ImageRequested("cloud", "precise", built.request)
    assert deleted == ImageDeletionRequested(image.id, deleted.request)


class Builder:
    """A daemon that answers a request and does a step at each pause."""

    def __init__(self, site: Site, *ends: NodeState) -> None:
        self._site = site
        self._ends = list(ends)
        self._image = replace(new_image(site), state=NodeState.BUILDING)

    def __call__(self, _seconds: float) -> None:
        store = self._site.store
        if wishes := store.requests():
            store.commit([SaveImage(self._image), RemoveRequest(wishes[0].request)])
        elif self._ends:
            store.commit([SaveImage(self._image.with_state(self._ends.pop(0), 1.0))])
        else:
            store.commit([RemoveImage(self._image.id)])


def test_image_update_waits_for_the_new_image(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_with(monkeypatch, Builder(site, NodeState.BUILDING, NodeState.READY))
    (row,) = desk.rows("image-update", "cloud", "precise")
    assert (row["provider"], row["image"], row["state"]) == ("cloud", "precise", "ready")
    assert desk.said == (
        "Image precise of cloud waits for nodepoold\n"
        f"Image precise of cloud is being built (ID {row['id']})\n"
    )


def test_image_update_tells_of_a_build_that_failed(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_with(monkeypatch, Builder(site, NodeState.DELETE))
    assert desk.rows("image-update", "all", "precise", status=1) == []
    assert "Image precise of cloud was not built; nodepoold's log says why" in desk.said


def test_image_update_tells_of_a_daemon_that_begins_nothing(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_seconds: float) -> None:
        site.store.commit([RemoveRequest(site.store.requests()[0].request)])

    wait_with(monkeypatch, answer)
    assert desk.rows("image-update", "cloud", "precise", status=1) == []
    assert "was not built; nodepoold began nothing" in desk.said


def test_image_delete_now(desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    image = replace(new_image(site), state=NodeState.READY, external_id="x", keypair="key")
    site.store.commit([SaveImage(replace(image, presence=Presence.EXISTS))])
    wait_with(monkeypatch, lambda _: site.store.commit([RemoveImage(image.id)]))
    desk.run("image-delete", image.id, "--now")
    assert desk.said == (
        f"Image {image.id} (ready) still has in cloud: its image (x) and a server (no id known)"
        f" and the key pair key\nImage {image.id} is gone.\n"
    )


def test_image_delete_by_force_tells_what_may_stay(desk: Desk, site: Site) -> None:
    image = replace(new_image(site), state=NodeState.DELETE, external_id="x", keypair="key")
    image = replace(image, provider="former", machine=Machine(presence=Presence.GONE))
    site.store.commit([SaveImage(image)])
    desk.run("image-delete", image.id, "--force")
    assert desk.said == (
        "May stay in former, as no row knows of it then: its image (x), the key pair key.\n"
        f"nodepoold deletes image {image.id} soon.\n"
    )
    (wish,) = site.store.requests()
    assert wish == ImageDeletionRequested(image.id, wish.request, force=True)
    desk.run("image-delete", 99, "--force", status=1)
