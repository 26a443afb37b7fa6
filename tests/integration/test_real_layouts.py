"""Both OpenStack layouts, against what Zuul 2.6 made of them."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import regex

from tests.support.services import unavailable
from zuul.cmd.client import main
from zuul.layout.loader import Checked, Traced, check_layout, trace_layout
from zuul.layout.questions import Absent, LayoutQuestions
from zuul.lib.patterns import Pattern
from zuul.model.change import Change, ChangeKey
from zuul.model.job import Job, JobNode
from zuul.model.layout import Layout
from zuul.model.matchers import job_applies

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CONNECTIONS = {"gerrit": "gerrit", "smtp": "smtp"}

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("year", ["openstack-2013", "openstack-2016"]),
]


@lru_cache(maxsize=2)
def trace(year: str) -> Traced:
    path = DATA / year / "layout.yaml"
    if not path.exists():
        unavailable(f"the real layouts are not there: {path}")
    return trace_layout(path, CONNECTIONS)


def check(year: str) -> Checked:
    return trace(year).checked


def layout_of(year: str) -> Layout:
    checked = check(year)
    assert checked.layout is not None, checked.problems
    return checked.layout


def read_json(year: str, name: str) -> Any:
    return json.loads((DATA / year / name).read_text())


def test_the_expansion_is_zuuls(year: str, capsys: pytest.CaptureFixture[str]) -> None:
    layout_of(year)
    assert main(["layout", "show", "--json", str(DATA / year / "layout.yaml")]) == 0
    found, expected = json.loads(capsys.readouterr().out), read_json(year, "expected.json")
    for document in (found, expected):
        for pipeline in document["pipelines"]:
            # the order of queues carries no meaning
            pipeline["queues"].sort()
    assert found.keys() == expected.keys()
    assert found["jobs"] == expected["jobs"]
    assert found["pipelines"] == expected["pipelines"]


def applying(nodes: Sequence[JobNode], change: Change) -> list[str]:
    """Jobs of a tree in order; what stands below a job that does not apply is absent."""
    names: list[str] = []
    for node in nodes:
        if job_applies(node.job, change):
            names += [node.job.name, *applying(node.children, change)]
    return list(dict.fromkeys(names))


def test_jobs_apply_where_zuul_ran_them(year: str) -> None:
    trees = {pipeline.name: pipeline.trees for pipeline in layout_of(year).pipelines}
    questions = read_json(year, "matching.json")
    for pipeline, project, branch, files, expected in questions:
        change = Change(ChangeKey("gerrit", "1", "1"), project, branch, "", files=tuple(files))
        tree = trees[pipeline].get(project)
        found = applying(tree.nodes, change) if tree else []
        assert found == expected, (pipeline, project, branch, files)
    assert len(questions) == 3000


def test_the_command_answers_all_questions_in_one_run(
    year: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout_of(year)
    questions = read_json(year, "matching.json")
    batch = tmp_path / "batch.json"
    batch.write_text(json.dumps([question[:4] for question in questions]))
    path = str(DATA / year / "layout.yaml")
    assert main(["layout", "jobs", path, "--batch", str(batch), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [question[4] for question in questions]


def first_pattern(job: Job, absent: Absent) -> str:
    if absent.rule == "skip-if":
        assert absent.place is not None
        index = int(absent.place.key.rpartition("[")[2].removesuffix("]"))
        rule = job.skip_if[index]
        first = rule.project or rule.branch or rule.all_files_match_any[0]
    else:
        first = (job.branches if absent.rule == "branch" else job.files)[0]
    return first.pattern


def test_each_job_that_does_not_run_has_a_rule(year: str) -> None:
    questions = LayoutQuestions.of(trace(year))
    lines = (DATA / year / "layout.yaml").read_text().splitlines()
    rules = Counter[str]()
    for pipeline, project, branch, files, expected in read_json(year, "matching.json")[::10]:
        answer = questions.jobs(pipeline, project, branch, files)
        assert list(answer.jobs) == expected
        for absent in answer.absent:
            rules[absent.rule] += 1
            assert (absent.place is None) == (absent.rule == "parent")
            if absent.place is not None:
                at = absent.place.line - 1
                pattern = first_pattern(questions.layout.jobs[absent.job], absent)
                # the rule's key, and the first of its expressions right below
                assert pattern in " ".join(lines[at : at + 4]), (absent, lines[at : at + 4])
    assert rules["branch"]
    assert rules["files"]


def patterns_of(layout: Layout) -> set[str]:
    found = {
        pattern.pattern
        for job in layout.jobs.values()
        for pattern in (
            *job.branches,
            *job.files,
            *(each for rule in job.skip_if for each in (rule.project, rule.branch) if each),
            *(each for rule in job.skip_if for each in rule.all_files_match_any),
        )
    }
    return found | {
        pattern.pattern
        for pipeline in layout.pipelines
        for each in pipeline.filters
        for pattern in (*each.refs, *each.comments, *each.branches)
    }


def test_every_pattern_answers_as_re_does(year: str) -> None:
    """By whichever engine it is matched, on texts that look like what it was made for."""
    layout = layout_of(year)
    source = random.Random(7)
    patterns = sorted(patterns_of(layout) | set(expressions(year)))
    words = [word for pattern in patterns for word in re.findall(r"[\w/.-]{2,}", pattern)]
    words += ["master", "stable/kilo", "recheck", "Patch Set 3:", " ", "\n\n", "refs/tags/1.2", "x"]
    for pattern in patterns:
        plain, timed, ours = re.compile(pattern), regex.compile(pattern), Pattern(pattern)
        own = re.findall(r"[\w/.-]+", pattern) or ["x"]
        for _ in range(40):
            pool = own if source.random() < 0.7 else words
            text = "".join(source.choice(pool) for _ in range(source.randint(0, 4)))
            expected = (bool(plain.match(text)), bool(plain.search(text)))
            assert (ours.match(text), ours.search(text)) == expected, (pattern, text)
            assert (bool(timed.match(text)), bool(timed.search(text))) == expected, (pattern, text)


def expressions(year: str) -> list[str]:
    text = (DATA / year / "layout.yaml").read_text()
    return re.findall(r"^  - name: (\^\S+)$", text, re.MULTILINE)


def test_only_old_spellings_are_warned_of(year: str) -> None:
    layout_of(year)
    assert all("is the old spelling of" in each.text for each in check(year).warnings)


def test_a_second_load_gives_an_equal_layout(year: str) -> None:
    again = check_layout(DATA / year / "layout.yaml", CONNECTIONS).layout
    assert again == layout_of(year)
