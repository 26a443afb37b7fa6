"""Any layout loads to what it says; any junk is told as problems and nothing else."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings

from tests.support import strategies
from zuul.errors import LayoutError
from zuul.layout.expansion import expand_layout
from zuul.layout.loader import check_text
from zuul.layout.summary import summarize_layout
from zuul.model.layout import Layout, Manager

CONNECTIONS = {"gerrit": "gerrit", "smtp": "smtp"}
CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def dump(data: Any) -> str:
    text: str = yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    return text


def load(text: str) -> Layout:
    checked = check_text(text, "layout.yaml", connections=CONNECTIONS)
    if checked.layout is None:
        raise LayoutError(checked.problems)
    return checked.layout


def pairs(tree: list[Any]) -> set[tuple[str, ...]]:
    """Every path of names from the top of a written tree."""
    found: set[tuple[str, ...]] = set()
    for entry in tree:
        if isinstance(entry, str):
            found.add((entry,))
            continue
        for name, below in entry.items():
            found |= {(name,), *((name, *path) for path in pairs(below))}
    return found


def grown(nodes: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for node in nodes:
        found |= {(node["job"],), *((node["job"], *path) for path in grown(node["after"]))}
    return found


@CALM
@given(strategies.layouts())
def test_a_layout_says_what_was_written(data: dict[str, Any]) -> None:
    found = load(dump(data))
    assert [each.name for each in found.pipelines] == [each["name"] for each in data["pipelines"]]
    assert list(found.projects) == [each["name"] for each in data["projects"]]
    expansion = expand_layout(found)
    for pipeline in expansion["pipelines"]:
        for project in data["projects"]:
            written = set(pairs(project.get(pipeline["name"], [])))
            if "template" in project:
                short = project["name"].rpartition("/")[2]
                written |= pairs([f"{short}-job", {f"{short}-x": ["unit-7"]}])
            assert grown(pipeline["projects"].get(project["name"], [])) == written
    for entry in data["jobs"]:
        if not entry["name"].startswith("^"):
            job = found.jobs[entry["name"]]
            assert job.voting == entry.get("voting", job.voting)
            assert job.attempts == entry.get("attempts", 3)


@CALM
@given(strategies.layouts())
def test_the_same_text_or_another_style_gives_an_equal_layout(data: dict[str, Any]) -> None:
    found = load(dump(data))
    assert load(dump(data)) == found
    assert (
        load(yaml.dump(data, Dumper=yaml.CSafeDumper, default_flow_style=True, sort_keys=False))
        == found
    )
    assert load(json.dumps(data, ensure_ascii=False)) == found


@CALM
@given(strategies.layouts())
def test_shared_queues_part_the_projects_of_a_dependent_pipeline(data: dict[str, Any]) -> None:
    for pipeline in load(dump(data)).pipelines:
        if pipeline.manager is not Manager.DEPENDENT:
            assert pipeline.queues == ()
            continue
        queued = [project for queue in pipeline.queues for project in queue.projects]
        assert sorted(queued) == sorted(pipeline.trees)
        owner = {project: queue for queue in pipeline.queues for project in queue.projects}
        jobs: dict[str, str] = {}
        for project, tree in pipeline.trees.items():
            for node in tree.walk():
                first = jobs.setdefault(node.job.name, project)
                assert owner[first] is owner[project]
        assert [queue.projects for queue in pipeline.queues] == sorted(
            queue.projects for queue in pipeline.queues
        )


def told(text: str) -> None:
    """It loads, or LayoutError tells why, with places inside the text."""
    try:
        found = load(text)
    except LayoutError as error:
        assert error.problems
        lines = text.count("\n") + 2
        assert all(0 <= problem.line <= lines for problem in error.problems)
        assert all(problem.text for problem in error.problems)
    else:
        json.dumps(expand_layout(found))
        assert list(summarize_layout(found))


@CALM
@given(strategies.broken_layouts())
def test_a_layout_with_junk_in_it(data: Any) -> None:
    told(dump(data))


@CALM
@given(strategies.junk)
def test_junk(data: Any) -> None:
    told(dump(data))


@CALM
@given(strategies.noise)
def test_noise(text: str) -> None:
    told(text)
    told(f"pipelines: []\nprojects:\n  - {text}\n")
