"""Images are built where one is missing or wanted, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.core.ports import EVERYTHING, Switches
from nodepool.model import Fault, NodeState, Owner, Presence
from tests.unit.nodepool.core.image_site import KEY, image, list_images, prepared
from tests.unit.nodepool.core.site import CONFIG, HOST_KEYS, Site, provider_with, ready_image

TWO = CONFIG.replace("providers: [{name: p}]", "providers: [{name: p}, {name: q}]").replace(
    "targets:",
    "  - {name: q, max-servers: 5, images: [{name: i, min-ram: 1, base-image: b}]}\ntargets:",
)


def test_a_missing_image_is_built_and_nodes_wait_for_it() -> None:
    site = Site(images=())
    create = site.take_one(commands.CreateServer)
    assert (create.key, create.external_id) == (KEY, None)
    assert create.hostname == "template-i-1000"
    assert create.keypair == "template-i-1000-1001"
    site.calls.append(create)
    site.create()
    site.list()
    connect = site.take_one(commands.Connect)
    assert (connect.username, connect.keypair) == (None, "template-i-1000-1001")
    site.tell(events.Connected(KEY, HOST_KEYS))
    prepare = site.take_one(commands.PrepareImage)
    assert (prepare.setup, prepare.machine.ip) == ("s.sh", "192.0.2.1")
    assert prepare.machine.host_keys == image(site).machine.host_keys == HOST_KEYS
    site.tell(events.Prepared("image", 1001))
    snapshot = site.take_one(commands.TakeSnapshot)
    assert (snapshot.name, snapshot.meta, snapshot.server_id) == (
        "template-i-1000",
        (("a", "b"),),
        "s-image-1001-0",
    )
    assert image(site).presence is Presence.ASKED
    assert site.pool.images_to_watch() == {"p"}
    site.tell(events.SnapshotTaken(1001, "new-image"))
    list_images(site, "SAVING")
    assert image(site).state is NodeState.BUILDING
    list_images(site)
    assert image(site).state is NodeState.READY
    assert site.take_one(commands.CreateServer).external_id == "new-image"
    assert site.take_one(commands.DeleteServer).server_id == "s-image-1001-0"
    site.tell(events.ServerGone("p", "s-image-1001-0"))
    assert site.take_one(commands.DeleteKeypair).name == "template-i-1000-1001"
    site.tell(events.KeypairGone(1001))
    assert image(site).keypair is None
    assert site.pool.images_to_watch() == frozenset()


def test_a_snapshot_without_an_answer_is_found_by_the_mark_it_was_given() -> None:
    site = Site(images=())
    site.create()
    other = provider_with("nodepool-id: mine")
    site.tell(events.ConfigLoaded(parse_config(other, "site")))
    site.list()
    site.connect()
    site.tell(events.Prepared("image", 1001))
    owner = site.take_one(commands.TakeSnapshot).owner
    assert owner == Owner("p", KEY, "ours")
    list_images(site, owner=replace(owner, nodepool_id="mine"))
    assert image(site).external_id is None
    list_images(site, owner=owner)
    assert image(site).external_id == "new-image"


def test_a_configured_key_pair_is_none_of_ours() -> None:
    text = provider_with("keypair: mine")
    assert Site(text, images=()).take_one(commands.CreateServer).keypair is None


def test_providers_build_side_by_side() -> None:
    site = Site(TWO, images=())
    assert [call.provider for call in site.take(commands.CreateServer)] == ["p", "q"]


@pytest.mark.parametrize(
    "change",
    [("min-ready: 1", "min-ready: -1"), ("base-image: b", "pause: true, base-image: b")],
)
def test_what_is_not_in_use_is_not_built(change: tuple[str, str]) -> None:
    site = Site(CONFIG.replace(*change), images=())
    assert site.calls == []
    site.tell(events.CronCame("image_update"))
    assert site.calls == []


def test_the_cron_job_builds_what_is_not_being_built() -> None:
    site = Site(TWO, images=(ready_image(),))
    assert {call.provider for call in site.take(commands.CreateServer)} == {"p", "q"}
    site.tell(events.CronCame("image_update"))
    assert [call.key.kind for call in site.take(commands.CreateServer)] == ["image"]
    site.tell(events.ImageRequested("p", "i", 8))
    site.tell(events.ImageRequested("nowhere", "i", 9))
    assert site.take(commands.CreateServer) == []
    assert site.answered == [8, 9]


@pytest.mark.parametrize("step", [Step.CONNECT, Step.PREPARE, Step.SNAPSHOT])
def test_a_build_that_fails_leaves_nothing_and_is_tried_again_later(step: Step) -> None:
    site = Site(images=())
    site.create()
    site.list()
    if step is not Step.CONNECT:
        site.connect()
    if step is Step.SNAPSHOT:
        site.tell(events.Prepared("image", 1001))
    site.tell(events.StepFailed(KEY, step, text="no"))
    assert image(site).state is NodeState.DELETE
    assert site.take_one(commands.DeleteServer).server_id == "s-image-1001-0"
    site.tell(events.ServerGone("p", "s-image-1001-0"))
    site.tell(events.KeypairGone(1001))
    if step is Step.SNAPSHOT:  # it may have been taken all the same
        list_images(site, owner=Owner("p", KEY, "ours"))
        assert site.take_one(commands.DeleteImage).external_id == "new-image"
        site.tell(events.ImageGone(1001))
    assert 1001 not in site.pool.images
    assert site.take(commands.CreateServer) == []
    site.wait(60)
    assert site.take_one(commands.CreateServer).key.id == 1002


def test_a_snapshot_without_an_answer_is_given_up_after_its_time() -> None:
    site = prepared()
    site.wait(600)
    assert image(site).state is NodeState.DELETE
    site.tell(events.ServerGone("p", "s-image-1001-0"))
    site.tell(events.KeypairGone(1001))
    site.tell(events.ImagesListed("p", (), site.now))
    assert image(site).presence is Presence.ASKED
    site.now += 300
    site.tell(events.ImagesListed("p", (), site.now))
    assert 1001 not in site.pool.images


def test_an_image_that_goes_to_error() -> None:
    site = prepared()
    site.tell(events.SnapshotTaken(1001, "new-image"))
    list_images(site, "ERROR")
    assert image(site).state is NodeState.DELETE
    assert site.take_one(commands.DeleteImage).external_id == "new-image"


def test_a_build_refused_by_the_cloud() -> None:
    site = Site(images=())
    site.take(commands.CreateServer)
    site.tell(events.CreateFailed(KEY, Fault.IMPOSSIBLE, "no such image"))
    site.tell(events.KeypairGone(1001))
    assert 1001 not in site.pool.images


def test_a_restart_ends_a_build() -> None:
    site = Site(images=())
    site.create()
    after = Site(images=tuple(site.pool.images.values()))
    assert image(after).state is NodeState.DELETE
    assert after.take_one(commands.DeleteServer).server_id == "s-image-1001-0"


def test_a_build_that_takes_long_is_no_business_of_the_cleanup() -> None:
    site = Site(images=())
    site.create()
    site.list()
    site.connect()
    site.wait(3 * 3600)
    site.tell(events.Prepared("image", 1001))
    site.tell(events.SnapshotTaken(1001, "new-image"))
    site.wait(5.5 * 3600)
    site.tell(events.CronCame("cleanup"))
    assert image(site).state is NodeState.BUILDING
    list_images(site)
    assert image(site).state is NodeState.READY


def test_where_nobody_wants_a_node_there_is_an_image_all_the_same() -> None:
    site = prepared(CONFIG.replace("min-ready: 1", "min-ready: 0"))
    site.tell(events.SnapshotTaken(1001, "new-image"))
    list_images(site)
    assert image(site).state is NodeState.READY
    assert site.rows == {}


@pytest.mark.parametrize(
    ("text", "switches", "again"),
    [
        (CONFIG, EVERYTHING, True),
        (CONFIG, Switches(images=False), False),
        (CONFIG.replace("base-image: b", "pause: true, base-image: b"), EVERYTHING, False),
    ],
)
def test_a_build_that_a_restart_cut_off_is_begun_again(
    text: str, switches: Switches, again: bool
) -> None:
    # One is there already: it was asked for.
    cut_off = replace(ready_image(501, version=2), state=NodeState.BUILDING)
    after = Site(text, images=(ready_image(), cut_off), switches=switches)
    assert image(after, 501).state is NodeState.DELETE
    building = [i for i in after.pool.images.values() if i.state is NodeState.BUILDING]
    assert len(building) == again
