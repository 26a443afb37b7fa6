"""Parts of nodepool turned off by the command line."""

from nodepool.core import commands, events
from nodepool.core.ports import Switches
from nodepool.core.state import DELETIONS
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import Site


def test_without_deletes_nothing_is_taken_away_and_rows_wait() -> None:
    site = Site(switches=Switches(deletes=False))
    site.launch()
    ready = site.node
    site.start_build(ready)
    site.finish_build(ready)
    site.wait(3600)
    assert site.rows[ready.id].state is NodeState.DELETE
    assert not [call for call in site.calls if isinstance(call, DELETIONS)]
    # With its server, as the row says.
    assert site.rows[ready.id].room == 1


def test_without_deletes_no_cleanup_and_no_check() -> None:
    site = Site(switches=Switches(deletes=False))
    site.launch()
    site.tell(events.CronCame("check"))
    assert site.take(commands.ProbeNode) == []
    site.now += 9 * 3600
    site.tell(events.CronCame("cleanup"))
    assert site.states() == ["ready"]


def test_without_launches_nothing_is_planned() -> None:
    site = Site(switches=Switches(launches=False))
    assert (site.rows, site.take(commands.CreateServer)) == ({}, [])


def test_without_images_none_is_built() -> None:
    site = Site(images=(), switches=Switches(images=False))
    site.tell(events.CronCame("image_update"))
    assert site.take(commands.CreateServer) == []
