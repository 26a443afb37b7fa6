"""What changes from one layout to the next."""

from __future__ import annotations

from tests.unit.zuul.layout.texts import GATE, PIPELINE, layout
from zuul.layout.differences import SettingDifference, TreeDifference, compare_layouts


def test_jobs_that_appear_and_vanish() -> None:
    old = layout(projects="- {name: p, check: [{a: [b]}, c]}\n- {name: gone, check: [x]}")
    new = layout(
        pipelines=PIPELINE + GATE,
        projects="- {name: p, check: [c, d, {a: [e]}], gate: [a]}\n- {name: same, check: []}",
    )
    assert compare_layouts(old, new).trees == (
        TreeDifference("gone", "check", (), ("x",)),
        TreeDifference("p", "check", ("d", "e"), ("b",)),
        TreeDifference("p", "gate", ("a",), ()),
    )


def test_the_same_layout() -> None:
    same = {"jobs": "- {name: a, branch: x}", "projects": "- {name: p, check: [a]}"}
    assert not compare_layouts(layout(**same), layout(**same))


def test_settings_of_jobs() -> None:
    projects = "- {name: p, check: [a, b]}"
    old = layout(jobs="- {name: a, branch: x, tags: [z, y]}", projects=projects)
    new = layout(
        jobs="- {name: ^a$, voting: false, skip-if: [{branch: s, all-files-match-any: [f, g]}]}",
        projects=projects,
    )
    differences = compare_layouts(old, new)
    assert differences
    assert differences.settings == (
        SettingDifference("a", "voting", True, False),
        SettingDifference("a", "tags", ["y", "z"], []),
        SettingDifference("a", "branch", ["x"], []),
        SettingDifference("a", "skip-if", [], [{"branch": "s", "all-files-match-any": ["f", "g"]}]),
    )
