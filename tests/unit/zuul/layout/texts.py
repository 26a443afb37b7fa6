"""Short layouts for tests: the smallest file that loads, and what is wrong with others."""

from __future__ import annotations

from textwrap import dedent, indent

from zuul.layout.loader import check_text, parse_layout
from zuul.model.layout import Layout, PipelineConfig

CONNECTIONS = {"gerrit": "gerrit", "review": "gerrit", "smtp": "smtp", "mysql": "sql"}

PIPELINE = """\
- name: check
  manager: IndependentPipelineManager
  trigger: {gerrit: [{event: patchset-created}]}
"""
GATE = """\
- name: gate
  manager: DependentPipelineManager
  trigger: {gerrit: [{event: comment-added, approval: [{approved: 1}]}]}
"""


def file(
    *, pipelines: str = PIPELINE, jobs: str = "", templates: str = "", projects: str = "[]"
) -> str:
    """A layout.yaml of the given sections; each is a list, written without indentation."""
    sections = {"pipelines": pipelines, "jobs": jobs, "project-templates": templates}
    sections["projects"] = projects
    return "".join(
        f"{key}:\n{indent(dedent(text), '  ')}\n" for key, text in sections.items() if text
    )


def layout(**sections: str) -> Layout:
    return parse_layout(file(**sections), "layout.yaml", connections=CONNECTIONS)


def pipeline(keys: str, *, manager: str = "IndependentPipelineManager") -> PipelineConfig:
    """A pipeline with the keys given, on top of a name, a manager and, unless given, a trigger."""
    return layout(pipelines=entry(keys, manager=manager)).pipelines[0]


def entry(keys: str, *, manager: str = "IndependentPipelineManager") -> str:
    trigger = "" if "trigger:" in keys else "trigger: {gerrit: [{event: patchset-created}]}\n"
    return f"- name: check\n  manager: {manager}\n" + indent(trigger + dedent(keys), "  ")


def problems(text: str, known_jobs: frozenset[str] | None = None) -> list[str]:
    """Problems as they are printed, without the file's name and the line."""
    checked = check_text(text, "layout.yaml", connections=CONNECTIONS, known_jobs=known_jobs)
    assert (checked.layout is None) == bool(checked.problems)
    return [f"{each.key}: {each.text}" if each.key else each.text for each in checked.problems]


def problems_of(**sections: str) -> list[str]:
    return problems(file(**sections))


def warnings_of(**sections: str) -> list[str]:
    checked = check_text(file(**sections), "layout.yaml", connections=CONNECTIONS)
    assert checked.layout is not None, checked.problems
    return [f"{each.key}: {each.text}" for each in checked.warnings]
