"""What the Gerrit driver tells of changes, on the sandbox and on a real Gerrit 3.9.4 alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.gerrit_driver_world import World, wait_for
from tests.sandbox.developer import Developer
from zuul.core.events import ChangesRefreshed
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.model.change import Change, ChangeKey

pytestmark = pytest.mark.timeout(240)


def test_a_change_that_a_person_asks_for(world: World, project: str) -> None:
    """It comes with its relatives as whatever event the asker makes of them; or why not."""
    world.interest.predicate = lambda event: False
    parent = world.dev.upload(project, "Parent", {"a": "1\n"})
    child = world.dev.upload(project, "Child", {"b": "1\n"}, onto=parent.revision)
    reasons: list[str] = []
    with world.driver() as driver:

        def ask(number: int, patchset: int = 1) -> None:
            driver.look_up(str(number), str(patchset), ChangesRefreshed, reasons.append)

        wait_for("index", lambda: world.row(child.number))
        ask(child.number)
        told = wait_for(
            "answer", lambda: [e for e in world.told if isinstance(e, ChangesRefreshed)]
        )
        subject, *relatives = told[0].changes
        assert subject.key == ChangeKey("gerrit", str(child.number), "1")
        assert str(parent.number) in {change.key.number for change in relatives}
        for count, (number, patchset) in enumerate([(999_999, 1), (child.number, 7)], 1):
            ask(number, patchset)
            wait_for("refusal", lambda count=count: len(reasons) == count)
            assert reasons[-1] == f"the server shows no change {number},{patchset}"
    moved = driver.make_ref(project, "refs/heads/x", "0" * 40, "1" * 40)
    assert (moved.project, moved.ref, moved.newrev) == (project, "refs/heads/x", "1" * 40)


def test_push_and_votes_are_told_with_the_change(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a", {"a": "1\n"})
    told = world.wait_trigger("patchset-created", upload.number)
    change = told.subject
    assert isinstance(change, Change)
    assert (change.project, change.branch) == (project, "master")
    assert change.revision == upload.revision
    assert change.change_id == upload.change_id
    assert change.refspec.endswith(f"/{upload.number}/1")
    assert change.is_open and change.is_current_patchset
    assert "a" in (change.files or ())
    assert told.event.account is not None and told.event.account.username == "dev"
    assert change.submit_requirements is not None
    assert not change.can_merge(frozenset({"verified"}))

    world.approve(upload.number)
    told = world.wait_trigger("comment-added", upload.number)
    assert isinstance(told.subject, Change)
    votes = {(a.label, a.value) for a in told.event.approvals if a.value}
    assert votes == {("code-review", 2), ("workflow", 1)}
    shown = {(a.label, a.value, a.username) for a in told.subject.approvals}
    assert ("code-review", 2, "core") in shown
    assert told.subject.can_merge(frozenset({"verified"}))
    assert not told.subject.can_merge(frozenset())


def test_dependencies_are_gathered(world: World, project: str, driver: GerritDriver) -> None:
    other = world.project(project + "-2")
    a = world.dev.upload(project, "A")
    b = world.dev.upload(project, "B", onto=a.revision)
    c = world.dev.upload(other, "C", footers=[f"Depends-On: {b.change_id}"])
    told = world.wait_trigger("patchset-created", c.number)
    found = {change.key.number: change for change in told.changes}
    keys = {upload.number: str(upload.number) for upload in (a, b, c)}
    assert set(found) == set(keys.values())
    needs = {n: [key.number for key in change.needs] for n, change in found.items()}
    assert needs == {str(a.number): [], str(b.number): [str(a.number)],
                     str(c.number): [str(b.number)]}  # fmt: skip
    needed_by = {n: [key.number for key in change.needed_by] for n, change in found.items()}
    assert needed_by == {str(a.number): [str(b.number)], str(b.number): [str(c.number)],
                         str(c.number): []}  # fmt: skip


def test_a_cycle_is_told_without_its_change(
    world: World, project: str, driver: GerritDriver
) -> None:
    a = world.dev.upload(project, "A")
    b = world.dev.upload(project, "B", footers=[f"Depends-On: {a.change_id}"])
    world.wait_trigger("patchset-created", b.number)
    world.dev.upload(
        project, "A", {"a": "2\n"}, change_id=a.change_id,
        footers=[f"Depends-On: {b.change_id}"],
    )  # fmt: skip
    told = world.wait_trigger("patchset-created", a.number, count=2)
    assert told.subject is None and told.changes == ()
    world.dev.upload(project, "A", {"a": "3\n"}, change_id=a.change_id)
    told = world.wait_trigger("patchset-created", a.number, count=3)
    assert isinstance(told.subject, Change)


def test_what_happened_while_nobody_listened_is_made_up(world: World, project: str) -> None:
    with world.listening():
        known = world.dev.upload(project, "Known")
        world.approve(known.number)
        told = world.wait_trigger("comment-added", known.number)
    heard_until = told.event.received_at
    before = len(world.told)
    fresh = world.dev.upload(project, "Fresh")
    world.review("core", fresh.number, "--message=recheck", "--code-review=2")
    world.review("core", known.number, "--abandon")
    with world.listening(heard_until=heard_until):
        world.wait_trigger("change-abandoned", known.number)
        comment = world.wait_trigger("comment-added", fresh.number)
        created = world.wait_trigger("patchset-created", fresh.number)
        later = world.dev.upload(project, "Later")
        world.wait_trigger("patchset-created", later.number)
    assert len(world.told) > before
    assert isinstance(created.subject, Change)
    assert comment.event.comment is not None and "recheck" in comment.event.comment
    assert [(a.label, a.value) for a in comment.event.approvals] == [("code-review", 2)]
    assert comment.event.account is not None and comment.event.account.username == "core"
    assert len(world.triggers("patchset-created", fresh.number)) == 1


def test_refresh_ends_in_news_of_the_changes(world: World, project: str) -> None:
    upload = world.dev.upload(project, "Add a")
    with world.driver() as driver:
        key = ChangeKey("gerrit", str(upload.number), "1")
        driver.refresh((key, ChangeKey("gerrit", "999999", "1")))
        assert [change.key for change in world.wait_refreshed().changes] == [key]


@pytest.mark.parametrize("name", ["org/open-changes", "org/odd name (open)"])
def test_067_open_changes_of_a_project_are_told_of(world: World, name: str) -> None:
    project, other = world.project(name), world.project(f"{name} too")
    merged, a, gone = (world.dev.upload(project, subject) for subject in ("Merged", "A", "Gone"))
    b = world.dev.upload(project, "B", onto=a.revision)
    world.dev.upload(project, "A", {"a": "2\n"}, change_id=a.change_id)
    c = world.dev.upload(other, "C", footers=[f"Depends-On: {a.change_id}"])
    world.review("core", gone.number, "--abandon")
    with world.driver() as driver:
        driver.find_open(project, ChangeKey("gerrit", str(merged.number), "1"))
        kind = "project-change-merged"
        told = {number: world.wait_trigger(kind, number) for number in (a.number, b.number)}
        # a second merge, after what the first one led to
        driver.find_open(project, ChangeKey("gerrit", str(b.number), "1"))
        again = world.wait_trigger(kind, a.number, count=2)
        world.wait_trigger(kind, merged.number)
    assert [str(told[number].subject.key) for number in (a.number, b.number)] == [
        f"{a.number},2",
        f"{b.number},1",
    ]
    everything = [e.event.number for e in world.triggers(kind)]
    assert sorted(everything) == sorted(str(upload.number) for upload in (a, b, a, merged)), (
        "each once for each merge"
    )
    assert str(c.number) in {key.number for key in again.subject.needed_by}
    event = again.event
    assert (event.connection, event.project, event.branch) == ("zuul", project, "master")
    # what waited for the next start is looked up anew
    with world.driver() as driver:
        driver.hear(event)
        assert world.wait_trigger(kind, a.number, count=3).subject == again.subject
        driver.hear(replace(event, number=str(merged.number), patchset=None))
        world.wait_trigger(kind, a.number, count=4)
        world.wait_trigger(kind, b.number, count=2)


def test_a_merger_can_clone_from_the_url(world: World, tmp_path: Path) -> None:
    name = world.project("org/odd name+x")
    with world.driver() as driver:
        url = driver.git_url(name)
    assert " " not in url
    zuul = Developer(world.endpoint, "zuul", tmp_path / "zuul")
    assert "HEAD" in zuul.git(None, "ls-remote", url)
