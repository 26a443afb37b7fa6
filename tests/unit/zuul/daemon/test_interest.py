"""Which events are looked up."""

from zuul.daemon.interest import LayoutInterest, WatchedChanges
from zuul.layout.loader import parse_layout
from zuul.model.change import Change, ChangeKey, NullChange, NullKey
from zuul.model.trigger import TriggerEvent

LAYOUT = parse_layout(
    """
pipelines:
  - name: gate
    manager: DependentPipelineManager
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Workflow: 1}]
projects: []
""",
    "layout.yaml",
)
KEY = ChangeKey("gerrit", "1", "1")
CHANGE = Change(KEY, "acme/one", "master", "refs/changes/01/1/1")


def event(type_: str, number: str = "1") -> TriggerEvent:
    return TriggerEvent("gerrit", type_, number=number, patchset="2")


def make() -> LayoutInterest:
    interest = LayoutInterest(WatchedChanges())
    interest.set_layout(LAYOUT)
    return interest


def test_before_a_layout_is_loaded_every_event_may_matter() -> None:
    assert LayoutInterest(WatchedChanges()).wants(event("patchset-created"))


def test_what_no_filter_wants_and_no_queue_holds_is_not_looked_up() -> None:
    assert not make().wants(event("patchset-created"))


def test_news_of_a_queued_change_are_looked_up_until_its_last_item_has_left() -> None:
    interest = make()
    for item in ("a", "b"):
        interest.watched.item_enqueued("gate", item, CHANGE, True)
    interest.watched.item_dequeued("gate", "a", CHANGE, True, 1.0, "merged")
    assert interest.wants(event("patchset-created"))
    assert interest.wants(event("change-abandoned"))
    assert not interest.wants(event("patchset-created", number="2"))
    interest.watched.item_dequeued("gate", "b", CHANGE, True, 1.0, "merged")
    assert not interest.wants(event("patchset-created"))


def test_idle_talk_about_a_queued_change_is_not_looked_up() -> None:
    interest = make()
    interest.watched.item_enqueued("gate", "a", CHANGE, True)
    assert not interest.wants(event("comment-added"))


def test_items_without_a_change_are_not_watched() -> None:
    interest = make()
    nothing = NullChange(NullKey("gerrit", "acme/one"))
    interest.watched.item_enqueued("periodic", "a", nothing, True)
    interest.watched.item_dequeued("periodic", "a", nothing, True, 1.0, "merged")
    assert not interest.wants(event("patchset-created"))
