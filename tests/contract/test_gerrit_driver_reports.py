"""Reports of the Gerrit driver, on the sandbox and on a real Gerrit 3.9.4 alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.gerrit_driver_world import World
from zuul.drivers.gerrit.commandline import clean_message
from zuul.drivers.gerrit.driver import GerritDriver

pytestmark = pytest.mark.timeout(240)


def test_a_vote_whose_label_is_spelled_in_lower_case(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a")
    change = world.wait_change(upload.number)
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


def test_messages_arrive_as_they_are_meant(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a")
    change = world.wait_change(upload.number)
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


def test_any_text_arrives_as_it_is_meant(world: World, project: str, driver: GerritDriver) -> None:
    upload = world.dev.upload(project, "Add a")
    change = world.wait_change(upload.number)

    @settings(max_examples=20, deadline=None, database=None)
    @given(ANY_TEXT)
    def check(text: str) -> None:
        assert world.report(driver, change, {}, message=text).reported
        got = world.messages(upload.number)[-1].partition("\n\n")[2]
        assert got == clean_message(text)

    check()
    assert world.votes(upload.number) == {}


def test_a_label_that_the_server_does_not_know_is_named_in_the_log(
    world: World, project: str, driver: GerritDriver, caplog: pytest.LogCaptureFixture
) -> None:
    upload = world.dev.upload(project, "Add a")
    change = world.wait_change(upload.number)
    # Gerrit takes the report and drops the vote.
    assert world.report(driver, change, {"No-Such-Label": 1}).reported
    assert "label=No-Such-Label" in caplog.text
    assert world.messages(upload.number)
