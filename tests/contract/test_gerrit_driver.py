"""The Gerrit driver on the sandbox and on a real Gerrit 3.9.4: the same cases on both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.gerrit_driver_world import Server, World, wait_for
from tests.sandbox.developer import Developer
from tests.sandbox.gerrit import SandboxGerrit
from tests.support.real_gerrit import RealGerrit, RealGerritUnavailable
from zuul.core.commands import TestedState
from zuul.core.events import ChangesRefreshed
from zuul.drivers.gerrit.commandline import clean_message
from zuul.model.change import Change, ChangeKey

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(
    scope="module",
    params=["sandbox", pytest.param("real", marks=[pytest.mark.real, pytest.mark.slow])],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "sandbox":
        with SandboxGerrit(tmp_path_factory.mktemp("gerrit")) as sandbox:
            yield sandbox
        return
    real = RealGerrit()
    try:
        real.start()
    except RealGerritUnavailable as error:
        pytest.skip(str(error))
    try:
        yield real
    finally:
        real.stop()


@pytest.fixture
def world(server: Server, tmp_path: Path) -> World:
    return World(server, tmp_path)


@pytest.fixture
def project(world: World, request: pytest.FixtureRequest) -> str:
    """One for each test."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")
    return world.project(f"org/{name}"[:80])


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


def test_push_and_votes_are_told_with_the_change(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
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


def test_a_vote_whose_label_is_spelled_in_lower_case(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        change = world.wait_change(upload)
        done = world.report(driver, change, {"verified": -1}, message="Build failed.\n\n- a : FAIL")
        assert (done.reported, done.merged) == (True, None)
        assert world.votes(upload.number) == {"zuul": -1}
        assert "- a : FAIL" in world.messages(upload.number)[-1]


AWKWARD = [
    "--submit --label=Verified=2",
    "--x=1,1",
    "--",
    "-1",
    "@/etc/passwd",
    "@",
    "--label=Code-Review=-1=",
    "---- --a=--b=--c",
    'it\'s "quoted" and \\ back\\\\slashed\\',
    "' --submit '",
    '" --submit "',
    "'\\'' --verified 2 '\\''",
    "$(reboot) `reboot` ;|&<>",
    "tab\there  two  blanks",
    "first\nsecond\n\n--submit\nlast",
    "Käse — 変更 🙂",
    "= == --a=b=c",
]


def test_messages_arrive_as_they_are_meant(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        change = world.wait_change(upload)
        for text in AWKWARD:
            done = world.report(driver, change, {}, message=text)
            assert done.reported, (text, done)
        got = [message.partition("\n\n")[2] for message in world.messages(upload.number)]
        assert got == AWKWARD
        assert world.votes(upload.number) == {}
        assert world.status(upload.number) == "NEW"


ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from("'\"\\ \n\t-=@;|&$`<>(){}"), st.characters(exclude_categories=["Cs", "Cc"])
    ),
    min_size=1,
    max_size=60,
).filter(clean_message)


def test_any_text_arrives_as_it_is_meant(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        change = world.wait_change(upload)

        @settings(max_examples=20, deadline=None, database=None)
        @given(ANY_TEXT)
        def check(text: str) -> None:
            assert world.report(driver, change, {}, message=text).reported
            got = world.messages(upload.number)[-1].partition("\n\n")[2]
            assert got == clean_message(text)

        check()
        assert world.votes(upload.number) == {}


def test_a_label_that_the_server_does_not_know_is_named_in_the_log(
    world: World, project: str, caplog: pytest.LogCaptureFixture
) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        change = world.wait_change(upload)
        # Gerrit takes the report and drops the vote.
        assert world.report(driver, change, {"No-Such-Label": 1}).reported
        assert "label=No-Such-Label" in caplog.text
        assert world.messages(upload.number)


def test_dependencies_are_gathered(world: World, project: str) -> None:
    other = world.project(project + "-2")
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
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


def test_a_cycle_is_told_without_its_change(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
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


def test_submit_merges_the_tested_tree(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a", {"a": "1\n"})
        world.approve(upload.number)
        change = world.wait_trigger("comment-added", upload.number).subject
        assert isinstance(change, Change)
        tested = world.tested(project, upload.revision)
        done = world.report(driver, change, {"verified": 2, "submit": True}, submit=tested)
        assert (done.reported, done.merged, done.tree_mismatch, done.base_moved) == (
            True,
            True,
            None,
            False,
        ), done
        assert world.status(upload.number) == "MERGED"
        merged = world.wait_trigger("change-merged", upload.number)
        assert isinstance(merged.subject, Change) and merged.subject.is_merged


def test_submit_of_a_replaced_patch_set_votes_nothing(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a", {"a": "1\n"})
        world.approve(upload.number)
        change = world.wait_trigger("comment-added", upload.number).subject
        assert isinstance(change, Change)
        tested = world.tested(project, upload.revision)
        world.dev.upload(project, "Add a", {"a": "evil\n"}, change_id=upload.change_id)
        world.approve(upload.number)
        done = world.report(driver, change, {"verified": 2, "submit": True}, submit=tested)
        assert (done.reported, done.merged) == (False, False)
        assert "patch set 2" in (done.reason or "")
        assert world.status(upload.number) == "NEW"
        assert world.votes(upload.number) == {}


def test_submit_after_a_vote_vanished_votes_nothing(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        world.approve(upload.number)
        change = world.wait_trigger("comment-added", upload.number).subject
        assert isinstance(change, Change)
        tested = world.tested(project, upload.revision)
        world.review("core", upload.number, "--label=Workflow=0")
        done = world.report(driver, change, {"verified": 2, "submit": True}, submit=tested)
        assert (done.reported, done.merged) == (False, False)
        assert "Workflow" in (done.reason or "")
        assert world.votes(upload.number) == {}


def test_submit_on_a_moved_base_votes_nothing(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        first = world.dev.upload(project, "First")
        second = world.dev.upload(project, "Second")
        for upload in (first, second):
            world.approve(upload.number)
        tested = world.tested(project, first.revision)
        changes = []
        for upload in (first, second):
            told = world.wait_trigger("comment-added", upload.number)
            assert isinstance(told.subject, Change)
            changes.append(told.subject)
        parameters = {"verified": 2, "submit": True}
        assert world.report(driver, changes[0], parameters, submit=tested).merged
        done = world.report(driver, changes[1], parameters, submit=tested)
        assert (done.reported, done.merged, done.base_moved) == (False, False, True)
        assert world.votes(second.number) == {}


def test_submit_that_would_drag_in_an_ancestor_is_not_sent(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        a = world.dev.upload(project, "A")
        b = world.dev.upload(project, "B", onto=a.revision)
        for upload in (a, b):
            world.approve(upload.number)
            world.review("core", upload.number, "--label=Verified=2")
        change = world.wait_trigger("comment-added", b.number, count=2).subject
        assert isinstance(change, Change)
        nothing = TestedState(None, None, None)
        done = world.report(driver, change, {"verified": 2, "submit": True}, submit=nothing)
        assert (done.reported, done.merged) == (False, False)
        assert str(a.number) in (done.reason or "")
        assert (world.status(a.number), world.status(b.number)) == ("NEW", "NEW")


def test_another_tree_than_the_tested_one_is_told(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        upload = world.dev.upload(project, "Add a")
        world.approve(upload.number)
        change = world.wait_trigger("comment-added", upload.number).subject
        assert isinstance(change, Change)
        tested = replace(world.tested(project, upload.revision), tree="0" * 40)
        done = world.report(driver, change, {"verified": 2, "submit": True}, submit=tested)
        assert (done.reported, done.merged) == (True, True)
        assert "0" * 40 in (done.tree_mismatch or "")


def test_what_happened_while_nobody_listened_is_made_up(world: World, project: str) -> None:
    with world.driver() as driver:
        wait_for("stream", driver.listening.is_set)
        known = world.dev.upload(project, "Known")
        world.approve(known.number)
        told = world.wait_trigger("comment-added", known.number)
    heard_until = told.event.received_at
    before = len(world.told)
    fresh = world.dev.upload(project, "Fresh")
    world.review("core", fresh.number, "--message=recheck", "--code-review=2")
    world.review("core", known.number, "--abandon")
    with world.driver(heard_until=heard_until) as driver:
        wait_for("stream", driver.listening.is_set)
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
