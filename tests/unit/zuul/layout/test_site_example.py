"""What a site's own tests of its layout look like; the manual shows this file."""

from __future__ import annotations

from pathlib import Path

import pytest

from zuul.layout.questions import LayoutQuestions
from zuul.model.trigger import TriggerEvent

LAYOUT = Path(__file__).parents[4] / "etc" / "layout.yaml-sample"


@pytest.fixture(scope="module")
def layout() -> LayoutQuestions:
    return LayoutQuestions.read(LAYOUT, connections={"gerrit": "gerrit"})


def test_documentation_is_built_only_where_it_changed(layout: LayoutQuestions) -> None:
    answer = layout.jobs("check", "example/server", files=["/COMMIT_MSG", "doc/index.rst"])
    assert answer.jobs == ("server-unit", "server-docs", "python-nightly", "integration")
    answer = layout.jobs("check", "example/server", files=["/COMMIT_MSG", "server.py"])
    assert "server-docs" not in answer.jobs
    assert answer.why_not("server-docs").startswith("files: no file of the change matches ^doc/")


@pytest.mark.parametrize("project", ["example/server", "example/client"])
def test_what_merges_was_integrated(layout: LayoutQuestions, project: str) -> None:
    assert "integration" in layout.jobs("gate", project).jobs


def test_a_tarball_is_made_of_what_merged(layout: LayoutQuestions) -> None:
    assert layout.jobs_of_ref("post", "example/server", "master").jobs == ("server-tarball",)


@pytest.mark.parametrize(
    "text", ["recheck", "Patch Set 3:\n\nrecheck", "Patch Set 3: -Verified\n\nRecheck"]
)
def test_people_can_ask_for_another_check(layout: LayoutQuestions, text: str) -> None:
    event = TriggerEvent("gerrit", "comment-added", branch="master", comment=text)
    assert layout.triggered(event) == ("check",)


def test_no_project_is_left_out_of_the_gate(layout: LayoutQuestions) -> None:
    for project in layout.layout.projects:
        assert layout.jobs("gate", project).jobs, project
