"""Projects, templates and job trees: contract zuul.md 2.8."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.zuul.layout.texts import (
    GATE,
    PIPELINE,
    layout,
    problems_of,
    warnings_of,
)
from zuul.layout.expansion import expand_layout
from zuul.model.layout import Layout, MergeMode

BOTH = PIPELINE + GATE


def tree_of(found: Layout, project: str = "org/p", pipeline: int = 0) -> list[Any]:
    """A tree as names, with (name, [names below]) where something waits for it."""

    def short(nodes: list[dict[str, Any]]) -> list[Any]:
        return [
            (node["job"], short(node["after"])) if node["after"] else node["job"] for node in nodes
        ]

    return short(expand_layout(found)["pipelines"][pipeline]["projects"][project])


def tree(text: str) -> list[Any]:
    return tree_of(layout(projects=f"- {{name: org/p, check: {text}}}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a, b]", ["a", "b"]),
        ("[]", []),
        ("[a, {b: [c, {d: [e]}]}]", ["a", ("b", ["c", ("d", ["e"])])]),
        ("[{a: [x], b: [y]}]", [("a", ["x"]), ("b", ["y"])]),
        ("[a, b, a]", ["a", "b"]),
        ("[{a: [x]}, b, {a: [y, x]}]", [("a", ["x", "y"]), "b"]),
        ("[{a: [c]}, {b: [c]}, c]", [("a", ["c"]), ("b", ["c"]), "c"]),
        ("[{a: []}]", ["a"]),
        ("[noop]", ["noop"]),
    ],
)
def test_trees(text: str, expected: list[Any]) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", "check: expected a list of jobs (one job is written as `- job`), not text"),
        ("{a: [b]}", "check: expected a list of jobs (one job is written as `- job`), not a map"),
        ("null", "check: has no value; expected a list of jobs"),
        ("[{a: b}]", "check[0].a: expected a list of jobs (one job is written as `- job`)"),
        ("[{a: null}]", "check[0].a: has no value; expected a list of jobs"),
        ("[[a]]", "check[0]: expected text, not a list"),
        ("[1]", "check[0]: expected text, not a number; put it in quotes"),
        ("['a b']", "check[0]: a job's name has no white space in it: 'a b'"),
        ("[{'a b': [c]}]", "check[0].a b: a job's name has no white space in it"),
        ("['']", "check[0]: a job's name is empty"),
        ("[^a]", "check[0]: a regular expression cannot stand in a job tree"),
    ],
)
def test_142_mistakes_in_trees(text: str, told: str) -> None:
    (problem,) = problems_of(projects=f"- {{name: p, check: {text}}}")
    assert problem.removeprefix("projects[0].").startswith(told)


def test_a_project_stands_in_the_pipelines_that_it_names() -> None:
    found = layout(pipelines=BOTH, projects="[{name: p, check: [a]}, {name: q, gate: [b]}]")
    assert [list(each.trees) for each in found.pipelines] == [["p"], ["q"]]
    assert list(found.projects) == ["p", "q"]


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ("", MergeMode.MERGE_RESOLVE),
        ("merge-mode: merge", MergeMode.MERGE),
        ("merge-mode: merge-resolve", MergeMode.MERGE_RESOLVE),
        ("merge-mode: cherry-pick", MergeMode.CHERRY_PICK),
    ],
)
def test_merge_modes(keys: str, mode: MergeMode) -> None:
    assert layout(projects=f"- {{name: p, {keys}}}").projects["p"].merge_mode is mode


TEMPLATES = """\
- name: jobs
  check: ['{name}-docs', {'{name}-unit': ['{name}-{what}-it']}]
  gate: ['{name}-docs']
- name: plain
  check: [plain, 'x{{y}}']
"""


def test_83_templates_come_first_in_order_then_the_projects_own_jobs() -> None:
    found = layout(
        pipelines=BOTH,
        templates=TEMPLATES,
        projects="""\
        - name: org/p
          check: [own, {p-docs: [after-docs]}]
          template:
            - {name: plain}
            - {name: jobs, what: big}
        """,
    )
    assert tree_of(found) == [
        "plain",
        "x{y}",
        ("p-docs", ["after-docs"]),
        ("p-unit", ["p-big-it"]),
        "own",
    ]
    assert tree_of(found, pipeline=1) == ["p-docs"]


def test_one_template_needs_no_list_and_may_be_used_twice() -> None:
    found = layout(
        templates="- {name: t, check: ['{name}-{a}']}",
        projects="- {name: x, template: {name: t, a: one}}\n"
        "- {name: org/p, template: [{name: t, a: one}, {name: t, a: two}]}",
    )
    assert tree_of(found, "x") == ["x-one"]
    assert tree_of(found) == ["p-one", "p-two"]


def test_templates_beyond_ascii_expand_like_others() -> None:
    found = layout(
        templates="- {name: t, check: ['prüf-{name}-{größe}']}",
        projects="- {name: org/straße, template: [{name: t, größe: groß}]}",
    )
    assert tree_of(found, "org/straße") == ["prüf-straße-groß"]


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ("{name: t}", "template[0].a: is a parameter of 't' and not given"),
        ("{name: t, a: x, b: y}", "template[0].b: is no parameter of 't'"),
        ("{name: t, a: 1}", "template[0].a: expected text, not a number; put it in quotes"),
        ("{name: nosuch}", "template[0].name: there is no project template 'nosuch'"),
        ("{a: x}", "template[0].name: is required"),
        ("t", "template[0]: expected a map with the template's name, not text"),
        ("{name: t, a: x y}", "a job's name has no white space in it: 'p-x y'"),
    ],
)
def test_142_mistakes_in_the_use_of_templates(use: str, told: str) -> None:
    (problem,) = problems_of(
        templates="- {name: t, check: ['{name}-{a}']}",
        projects=f"- {{name: p, template: [{use}]}}",
    )
    assert told in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{name: t, nosuch: [a]}", "nosuch: there is no pipeline 'nosuch'"),
        ("{check: [a]}", "name: is required"),
        ("{name: t, check: ['{']}", "check[0]: "),
        ("{name: t, check: ['{}']}", "check[0]: expected a parameter like {name} in '{}'"),
        ("{name: t, check: ['{0}']}", "check[0]: expected a parameter like {name}"),
        ("{name: t, check: ['{name.__class__}']}", "check[0]: expected a parameter"),
        ("{name: t, check: ['{name[0]}']}", "check[0]: expected a parameter"),
        ("{name: t, check: ['{name:>9}']}", "check[0]: expected a parameter"),
        ("{name: t, check: abc}", "check: expected a list of jobs"),
        ("t", "expected a project template, which is a map, not text"),
    ],
)
def test_142_mistakes_in_templates(text: str, told: str) -> None:
    (problem,) = problems_of(templates=f"- {text}", projects="- {name: p}")
    assert told in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {name: p, nosuch: [a]}", "projects[0].nosuch: there is no pipeline 'nosuch'"),
        ("- {check: [a]}", "projects[0].name: is required"),
        ("- {name: p, merge-mode: rebase}", "projects[0].merge-mode: expected one of cherry-pick,"),
        ("- {name: p, merge-mode: 'merge-resolve,'}", "projects[0].merge-mode: expected one of"),
        ("- {name: p}\n- {name: p}", "projects[1].name: another project is named 'p'"),
        ("- p", "projects[0]: expected a project, which is a map, not text"),
        ("{name: p}", "projects: expected a list of projects, not a map"),
    ],
)
def test_142_mistakes_in_projects(text: str, told: str) -> None:
    (problem,) = problems_of(projects=text)
    assert problem.startswith(told)


def test_a_template_with_mistakes_is_told_once_however_often_it_is_used() -> None:
    assert problems_of(
        templates="- {name: t, check: ['{name', a]}",
        projects="[{name: p, template: [{name: t}]}, {name: q, template: [{name: t}]}]",
    ) == ["project-templates[0].check[0]: expected '}' before end of string"]


def test_142_duplicate_templates() -> None:
    assert problems_of(templates="- {name: t}\n- {name: t}") == [
        "project-templates[1].name: another project template is named 't'"
    ]


def test_a_job_with_filters_and_jobs_below_it_is_warned_of_once() -> None:
    assert warnings_of(
        jobs="[{name: a, branch: master}, {name: b, files: x}]",
        projects="[{name: p, check: [{a: [c]}, b]}, {name: q, check: [{a: [c]}]}]",
    ) == [
        "projects[0].check[0].a: 'a' has filters and jobs below it: where it does not apply, they"
        " do not run either"
    ]


def queues(projects: str, jobs: str = "[]") -> list[Any]:
    found = layout(pipelines=GATE, jobs=jobs, projects=projects)
    queues: list[Any] = expand_layout(found)["pipelines"][0]["queues"]
    return queues


def test_96_projects_that_share_a_job_share_a_queue_also_through_others() -> None:
    assert queues(
        "[{name: c, gate: [c1, c2]}, {name: b, gate: [{b: [c2]}]}, {name: a, gate: [a, c1]},"
        " {name: z, gate: []}, {name: d, gate: [d]}]"
    ) == [[["a", "b", "c"], "a, b, c"], [["d"], "d"], [["z"], "z"]]


def test_96_projects_that_share_several_jobs() -> None:
    assert queues("[{name: a, gate: [x]}, {name: b, gate: [x, y]}, {name: c, gate: [x, y]}]") == [
        [["a", "b", "c"], "a, b, c"]
    ]


def test_95_queue_name() -> None:
    assert queues(
        "[{name: p1, gate: [x, i]}, {name: p2, gate: [{y: [i]}]}]",
        jobs="[{name: i, queue-name: integration}, {name: x, queue-name: integration}]",
    ) == [[["p1", "p2"], "integration"]]


def test_95_two_names_in_one_queue() -> None:
    assert problems_of(
        pipelines=GATE,
        jobs="[{name: i, queue-name: one}, {name: y, queue-name: two}]",
        projects="[{name: p1, gate: [i]}, {name: p2, gate: [y, i]}]",
    ) == [
        "projects[1].gate[0]: More than one name assigned to change queue of gate: 'one' (by i),"
        " 'two' (by y); its projects are p1, p2"
    ]


def test_an_independent_pipeline_has_no_shared_queues() -> None:
    found = layout(projects="[{name: p, check: [a]}, {name: q, check: [a]}]")
    assert found.pipelines[0].queues == ()
