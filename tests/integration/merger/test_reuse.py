"""What a merger has merged or fetched already is not merged or fetched again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.integration.merger_world import MergerWorld, OriginRepo, published

pytestmark = pytest.mark.integration


def test_an_item_on_a_known_parent_is_one_merge(world: MergerWorld, project: OriginRepo) -> None:
    items = [project.change({f"f{number}": "x"}) for number in range(5)]
    assert world.merge(items[0]).error is None
    for ahead, item in pairwise(items):
        answer = world.merge(item, parent=ahead)
        assert answer.error is None
    whole = world.merge(*[replace(item, zuul_ref=f"Z9{n}") for n, item in enumerate(items)])
    assert whole.tree == answer.tree
    assert whole.base_tree == answer.base_tree


def test_unknown_parent_after_a_restart_then_reuse(world: MergerWorld, project: OriginRepo) -> None:
    a, b, c = project.changes("ABC")
    assert world.merge(a).error is None
    first = world.merge(b, parent=a)
    world.restart()
    answer = world.merge(c, parent=b)
    assert answer.unknown_parent
    assert answer.commit is None
    again = world.merge(a, b)
    assert again.commit == first.commit, "what is published is reused, not merged again"
    assert world.merge(c, parent=b).error is None


def test_a_series_begins_on_the_fresh_head(world: MergerWorld, project: OriginRepo) -> None:
    old_head = project.head["master"]
    assert world.merge(project.change({"A": "a"})).error is None
    project.commit("master", {"landed": "yes"}, "landed")
    b = project.change({"B": "b"}, parent=old_head)
    assert world.merge(b).error is None
    assert world.files("org/project", published(b)) == {"README", "landed", "B"}


def test_changes_fetched_once_are_not_fetched_again(
    world: MergerWorld, project: OriginRepo
) -> None:
    a, b, c = project.changes("ABC")
    assert world.merge(a, prefetch=(b, c)).error is None
    # With the origin gone only what is here already can be merged.
    project.path.rename(project.path.with_name("moved"))
    assert world.merge(b, parent=a).error is None
    assert world.merge(c, parent=b).error is None
    reset = replace(c, zuul_ref="Zreset")
    assert world.merge(reset, parent=a).error is None
    assert world.files("org/project", published(reset)) == {"README", "A", "C"}


def test_a_wrong_prefetch_does_no_harm(world: MergerWorld, project: OriginRepo) -> None:
    a = project.change({"A": "a"})
    missing = replace(a, refspec="refs/changes/99/99/9")
    assert world.merge(a, prefetch=(missing,)).error is None
