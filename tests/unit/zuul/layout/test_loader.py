"""The four ways in: of files and of texts, raising and not."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path

import pytest

from tests.unit.zuul.layout.texts import entry, layout
from tests.unit.zuul.layout.texts import file as layout_file
from zuul.errors import LayoutError
from zuul.layout.loader import check_layout, parse_layout, read_layout
from zuul.layout.summary import summarize_layout
from zuul.lib.problems import ConfigError

OLD = layout_file(pipelines=entry("trigger: {gerrit: [{event: comment-added, comment_filter: x}]}"))


def test_a_bad_layout_raises_what_all_configuration_raises(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text("pipelines: 1\nprojects: []\n")
    with pytest.raises(ConfigError) as caught:
        read_layout(path)
    assert isinstance(caught.value, LayoutError)
    assert [each.line for each in caught.value.problems] == [1]


def test_warnings_are_logged_on_reading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text(OLD)
    with caplog.at_level(logging.WARNING, "zuul.Layout"):
        read_layout(path)
    assert "layout.yaml:4: pipelines[0].trigger.gerrit[0].comment_filter" in caplog.text
    assert len(check_layout(path).warnings) == 1


def test_a_check_can_be_unpacked(tmp_path: Path) -> None:
    found, problems, warnings = check_layout(tmp_path / "nosuch.yaml")
    assert found is None
    assert len(problems) == 1
    assert warnings == ()


def test_equal_texts_give_equal_layouts() -> None:
    sections = {
        "jobs": "[{name: ^.*$, branch: x, skip-if: [{project: p}]}]",
        "projects": "[{name: p, check: [{a: [b]}]}]",
    }
    first, second = layout(**sections), layout(**sections)
    assert first == second
    assert first is not second
    assert layout(**sections | {"jobs": "[{name: ^.*$, branch: y}]"}) != first


def test_a_layout_can_be_copied_and_pickled() -> None:
    found = layout(jobs="[{name: a, branch: x}]", projects="[{name: p, check: [{a: [b]}]}]")
    assert pickle.loads(pickle.dumps(found)) == found
    assert copy.deepcopy(found) == found


def test_141_a_full_sample() -> None:
    text = layout_file(
        pipelines="""\
        - name: check
          manager: IndependentPipelineManager
          source: my_gerrit
          trigger:
            my_gerrit:
              - event: patchset-created
              - event: comment-added
                require-approval: [{username: jenkins, newer-than: 48h, verified: [1, 2]}]
                comment: recheck
          require: {open: true, approval: [{verified: 1}]}
          reject: {approval: [{verified: [-1, -2]}]}
          success: {review_gerrit: {verified: 1}}
          failure: {other_gerrit: {verified: -1}, mail: {to: you@example.org}}
          merge-failure: {my_gerrit: {verified: -1}}
        """,
        jobs="- {name: a, swift: [{name: logs}, {name: more, container: c}]}",
        templates="- {name: t, check: ['{project}-x']}",
        projects="""\
        - name: p
          template: [{name: t, project: q}]
          check: [{one: [{two: [three]}]}]
        """,
    )
    names = {"my_gerrit": "gerrit", "review_gerrit": "gerrit", "other_gerrit": "gerrit"}
    found = parse_layout(text, "layout.yaml", connections=names | {"mail": "smtp"})
    assert [node.job.name for node in found.pipelines[0].trees["p"].walk()] == [
        "q-x",
        "one",
        "two",
        "three",
    ]


def test_a_summary_names_pipelines_projects_and_jobs() -> None:
    found = layout(
        pipelines=entry("precedence: low", manager="DependentPipelineManager"),
        jobs="[{name: b, voting: false}]",
        projects="".join(f"- {{name: p{n}, check: [{{a: [b]}}]}}\n" for n in range(6)),
    )
    assert list(summarize_layout(found))[:6] == [
        "1 pipelines, 6 projects, 2 jobs",
        "",
        "check: dependent, precedence low, 6 projects",
        "  shared queue of p0, p1, p2, p3 and 2 more",
        "  p0",
        "    a",
    ]
    assert "      b (non-voting)" in summarize_layout(found)
