"""Images that are there: which go, in their time or by force, and which are put aside."""

from __future__ import annotations

from dataclasses import replace

from nodepool.core import commands, events
from nodepool.core.state import DELETIONS
from nodepool.model import Fault, MachineKey, NodeState, Owner, Presence, SnapshotImage
from tests.unit.nodepool.core.image_site import KEY, image
from tests.unit.nodepool.core.site import Site, ready_image


def versions(site: Site) -> list[int]:
    ready = [each for each in site.pool.images.values() if each.state is NodeState.READY]
    return sorted(each.version for each in ready)


def test_the_newest_two_stay_and_the_third_goes_in_its_time() -> None:
    images = tuple(replace(ready_image(500 + n, version=n), state_at=1000.0 + n) for n in (1, 2, 3))
    site = Site(images=images)
    site.tell(events.CronCame("cleanup"))
    assert versions(site) == [1, 2, 3]
    site.now += 28_900
    site.tell(events.CronCame("cleanup"))
    assert versions(site) == [2, 3]
    assert site.take_one(commands.DeleteImage).external_id == "image-501"


def test_the_last_proven_one_stays() -> None:
    images = tuple(replace(ready_image(500 + n, version=n), proven=n == 1) for n in (1, 2, 3))
    site = Site(images=images)
    site.now += 28_900
    site.tell(events.CronCame("cleanup"))
    assert versions(site) == [1, 2, 3]


def test_an_image_that_left_the_file_goes() -> None:
    site = Site(images=(ready_image(), replace(ready_image(600), image="old")))
    site.tell(events.CronCame("cleanup"))
    assert site.take_one(commands.DeleteImage).external_id == "image-600"


def test_a_person_deletes_an_image() -> None:
    site = Site()
    site.tell(events.ImageDeletionRequested(500, 8))
    site.tell(events.ImageDeletionRequested(99, 9))
    assert site.take_one(commands.DeleteImage).external_id == "image-500"
    assert site.answered == [8, 9]


def doomed(**values: object) -> SnapshotImage:
    machine = replace(ready_image().machine, presence=Presence.EXISTS, server_id="s", hostname="h")
    made = replace(ready_image(700, version=0), machine=machine, keypair="pair")
    return replace(made, **values)  # type: ignore[arg-type]


def test_by_force_an_image_goes_whose_provider_left_the_file() -> None:
    site = Site(images=(ready_image(), doomed(provider="gone")))
    site.calls.clear()
    site.tell(events.ImageDeletionRequested(700, 7))
    assert image(site, 700).state is NodeState.DELETE
    site.tell(events.ImageDeletionRequested(700, 8, force=True))
    assert (700 in site.pool.images, site.calls, site.answered) == (False, [], [7, 8])
    assert site.observer.counts["image_forgotten"] == 1


def test_by_force_all_is_asked_for_once_and_a_server_that_stays_is_a_leak() -> None:
    site = Site(images=(ready_image(), doomed()))
    site.take(commands.CreateServer)
    site.tell(events.ImageDeletionRequested(700, 8, force=True))
    assert 700 not in site.pool.images
    assert site.calls == [
        commands.DeleteServer("p", "s"),
        commands.DeleteImage(700, "p", "image-700"),
        commands.DeleteKeypair(700, "p", "pair"),
    ]
    site.calls.clear()
    for event in (
        events.DeleteFailed("p", "s", Fault.UNKNOWN),
        events.ImageDeleteFailed(700),
        events.ImageGone(700),
        events.KeypairGone(700),
    ):
        site.tell(event)
    site.wait(3600)
    assert not [call for call in site.calls if isinstance(call, DELETIONS)], "once"
    site.calls.clear()
    owner = Owner("p", MachineKey("image", 700), "ours")
    site.servers["s"] = events.Server("s", "ACTIVE", owner=owner)
    site.list()
    assert site.take_one(commands.DeleteServer).server_id == "s"
    site.tell(events.ServerGone("p", "s"))
    assert site.observer.counts["server_leaked"] == 1


def test_by_force_nothing_is_forgotten_of_which_nothing_is_left() -> None:
    site = Site()
    site.tell(events.ImageGone(500))
    bare = replace(ready_image(), presence=Presence.GONE, external_id=None)
    site = Site(images=(bare,))
    site.tell(events.ImageDeletionRequested(500, 8, force=True))
    site.tell(events.ImageDeletionRequested(99, 9, force=True))
    assert 500 not in site.pool.images
    assert (site.observer.counts["image_forgotten"], site.answered) == (0, [8, 9])


def test_by_force_a_build_ends_whose_server_nobody_knows_yet() -> None:
    site = Site(images=())
    site.take(commands.CreateServer)
    site.tell(events.ImageDeletionRequested(1001, 8, force=True))
    assert 1001 not in site.pool.images
    site.calls.clear()  # another one is begun
    site.tell(events.ServerCreated(KEY, "late"))
    site.stray("late", KEY)
    site.list(status=None)
    assert site.take_one(commands.DeleteServer).server_id == "late"


def test_a_request_is_answered_together_with_its_rows() -> None:
    site = Site()
    rows = site.pool.handle(events.ImageRequested("p", "i", 8), site.now)[:2]
    assert [type(row) for row in rows] == [commands.SaveImage, commands.RemoveRequest]
    assert rows[1] == commands.RemoveRequest(8)
    assert site.pool.handle(events.RequestGarbled(9), site.now) == (commands.RemoveRequest(9),)


def test_an_unproven_image_that_fails_again_and_again_is_put_aside() -> None:
    new = replace(ready_image(501, version=2), proven=False)
    site = Site(images=(ready_image(), new))
    for turn in range(4):
        call = site.take_one(commands.CreateServer)
        assert call.external_id == ("image-501" if turn < 3 else "image-500")
        site.tell(events.ServerCreated(call.key, f"s{turn}"))
        owner = Owner("p", call.key, "ours")
        site.servers = {f"s{turn}": events.Server(f"s{turn}", "ERROR", owner=owner)}
        site.list(status="ERROR")
        site.tell(events.ServerGone("p", f"s{turn}"))
        site.wait(10)  # so many in a row pause the provider, too


def test_a_node_that_gets_ready_proves_its_image() -> None:
    site = Site(images=(replace(ready_image(), proven=False),))
    site.launch()
    assert site.pool.images[500].proven
