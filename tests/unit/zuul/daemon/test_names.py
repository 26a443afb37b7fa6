"""Which names are listed to somebody who mistyped one."""

from __future__ import annotations

from zuul.daemon.names import suggest


def test_few_names_are_all_listed() -> None:
    assert suggest("gat", ["gate", "check"]) == "check, gate"
    assert suggest("gat", []) == "none"


def test_of_many_those_that_look_alike() -> None:
    names = [f"org/{number:03}" for number in range(100)] + ["acme/window"]
    assert suggest("acme/windwo", names) == "acme/window, 100 others"
    assert suggest("zzz", names) == "101, none of them alike"
