"""The table of the contract's section 3."""

from __future__ import annotations

import pytest

from gearman_plugin_shim.availability import group_computers, idle_executors, match_groups
from gearman_plugin_shim.functions import JobTable
from gearman_plugin_shim.model import BuildId, BuildInfo, Computer, Executor, Job


def functions(job: Job, labels: str, exclusive: bool = False) -> set[str]:
    return set(JobTable([job]).functions(frozenset(labels.split()), exclusive=exclusive))


@pytest.mark.parametrize(
    ("expression", "labels", "exclusive", "expected"),
    [
        ("linux", "linux gcc n1", False, {"build:J", "build:J:linux"}),
        ("linux", "linux", True, {"build:J", "build:J:linux"}),
        ("bogus", "linux", False, set()),
        (None, "linux", False, {"build:J"}),
        (None, "linux", True, set()),
        ("a || b", "a", False, {"build:J", "build:J:a"}),
        ("a && b", "a b", False, {"build:J", "build:J:a", "build:J:b"}),
        ("!linux", "bsd", False, {"build:J"}),
        ("!linux", "linux", False, set()),
        ("n1", "linux n1", False, {"build:J", "build:J:n1"}),
    ],
)
def test_scenarios_1_to_3_and_7(
    expression: str | None, labels: str, exclusive: bool, expected: set[str]
) -> None:
    assert functions(Job("J", expression), labels, exclusive) == expected


def test_disabled_and_undeclared_jobs_are_left_out() -> None:
    assert functions(Job("J", buildable=False), "a") == set()
    undeclared = Job("J", parameters=frozenset({"X"}))
    assert functions(undeclared, "a") == set()
    table = JobTable([undeclared], accept_undeclared_uuid=True)
    assert table.functions(frozenset("a"), exclusive=False) == {"build:J"}
    assert table.is_sequential("J"), "its builds cannot be told apart"


def test_names_in_folders() -> None:
    jobs = [Job("b/J"), Job("a/J", "x"), Job("deep/er/K"), Job("Ü 1")]
    table = JobTable(jobs)
    found = table.functions(frozenset("x"), exclusive=False)
    assert found == {
        *("build:J", "build:J:x", "build:a/J", "build:a/J:x", "build:b/J"),
        *("build:K", "build:Ü 1"),
    }
    assert table.ambiguous == {"J": ["a/J", "b/J"]}
    for function, name in [
        ("build:J", "a/J"),
        ("build:b/J", "b/J"),
        ("build:J:x", "a/J"),
        ("build:K", "deep/er/K"),
    ]:
        job = table.job_of(function)
        assert job is not None
        assert job.full_name == name
    assert table.job_of("build:none") is None
    assert table.job_of("stop:J") is None


def test_groups_share_what_nodes_can_do() -> None:
    table = JobTable([Job("J", "linux"), Job("K")])
    nodes = [
        Computer("n1", "n1", frozenset({"linux"})),
        Computer("n2", "n2", frozenset({"linux"})),
        Computer("n3", "n3", frozenset({"linux"}), exclusive=True),
        Computer("n4", "n4", offline=True),
        Computer("n5", "n5", temporarily_offline=True),
        Computer("n6", "n6", exclusive=True),
    ]
    assert group_computers(table, nodes) == {
        frozenset({"build:J", "build:J:linux", "build:K"}): ("n1", "n2"),
        frozenset({"build:J", "build:J:linux"}): ("n3",),
    }


def test_idle_executors() -> None:
    busy = (Executor(0, BuildInfo(BuildId("J", 1))), Executor(-1, BuildInfo(BuildId("P", 1))))
    assert idle_executors(Computer("n", "n", executors=3, busy=busy)) == 2
    assert idle_executors(Computer("n", "n", executors=3, offline=True)) == 0
    assert idle_executors(Computer("n", "n", executors=0)) == 0


def test_links_follow_their_nodes() -> None:
    old, new, other = frozenset({"a"}), frozenset({"a", "b"}), frozenset({"c"})
    assert match_groups({old: ("n2",)}, {"l1": (old, ("n1",))}) == {"l1": old}
    assert match_groups({new: ("n1",)}, {"l1": (old, ("n1",))}) == {"l1": new}
    assert match_groups({new: ("n9",)}, {"l1": (old, ("n1",))}) == {}
    links = {"l1": (old, ("n1", "n2", "n3"))}
    wanted = {new: ("n1",), other: ("n2", "n3")}
    assert match_groups(wanted, links) == {"l1": other}
