"""Which jobs run, and which rule keeps the others away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.zuul.layout.texts import GATE, PIPELINE, file
from zuul.errors import LayoutError
from zuul.layout.batch import read_batch
from zuul.layout.questions import Answer, LayoutQuestions, UnknownName
from zuul.lib.problems import ConfigError
from zuul.model.trigger import TriggerEvent

JOBS = """\
- name: ^.*-docs$
  files: [^doc/, ^README]
- name: p-unit
  branch: master
- name: ^p-.*$
  skip-if:
    - project: nobody
    - branch: ^stable
      all-files-match-any: [^x, ^y, ^z, ^w]
- name: p-late
  branch: [^old$]
- name: ^.*-docs2?$
  files: ^manual/
"""
PROJECTS = "- {name: p, check: [{p-unit: [p-below, p-docs]}, p-below2, p-late, p-docs2]}\n"


def questions(**sections: str) -> LayoutQuestions:
    defaults = {"pipelines": PIPELINE + GATE, "jobs": JOBS, "projects": PROJECTS}
    return LayoutQuestions.parse(file(**{**defaults, **sections}), "l.yaml")


def ask(branch: str = "master", *files: str) -> Answer:
    return questions().jobs("check", "p", branch, ("/COMMIT_MSG", *files))


def test_jobs_are_in_the_order_of_the_tree() -> None:
    answer = ask("master", "manual/x")
    assert answer.jobs == ("p-unit", "p-below", "p-docs", "p-below2", "p-docs2")
    assert answer.notes == ()


def test_each_other_job_has_its_rule() -> None:
    answer = ask("stable/1", "x")
    found = {each.job: (each.rule, each.text) for each in answer.absent}
    assert found == {
        "p-unit": ("branch", "branch: stable/1 does not match master"),
        "p-below": (
            "skip-if",
            "skip-if: stable/1 matches ^stable and each file matches ^x or ^y or ^z or 1 more",
        ),
        "p-docs": ("files", "files: no file of the change matches ^manual/"),
        "p-below2": found["p-below"],
        "p-late": ("branch", "branch: stable/1 does not match ^old$"),
        "p-docs2": found["p-docs"],
    }
    assert answer.jobs == ()


def test_a_job_below_one_that_does_not_run() -> None:
    absent = {each.job: each for each in ask("feature", "manual/x").absent}
    assert absent["p-below"].text == "needs p-unit, which does not run"
    assert (absent["p-below"].rule, absent["p-below"].place) == ("parent", None)


def places(branch: str, *files: str) -> dict[str, tuple[int, str, str] | None]:
    return {
        each.job: (each.place.line, each.place.key, each.place.entry) if each.place else None
        for each in ask(branch, *files).absent
    }


def line_of(text: str, after: str = "") -> int:
    lines = file(pipelines=PIPELINE + GATE, jobs=JOBS, projects=PROJECTS).splitlines()
    begin = next(number for number, line in enumerate(lines) if after in line)
    return next(number + 1 for number, line in enumerate(lines) if number >= begin and text in line)


def test_a_rule_is_found_where_it_was_written() -> None:
    """The last expression above a job's own entry counts, unless the entry has its own rule."""
    found = places("stable/1", "x")
    assert found == {
        "p-unit": (line_of("branch: master"), "jobs[1].branch", "p-unit"),
        "p-below": (line_of("- branch: ^stable"), "jobs[2].skip-if[1]", "^p-.*$"),
        "p-below2": found["p-below"],
        "p-late": (line_of("branch: [^old$]"), "jobs[3].branch", "p-late"),
        "p-docs": (line_of("files: ^manual/"), "jobs[4].files", "^.*-docs2?$"),
        "p-docs2": found["p-docs"],
    }


def test_an_entry_takes_no_rule_from_expressions_below_it() -> None:
    jobs = "- {name: ^a, branch: ^1}\n- name: a\n- {name: ^.*, branch: ^2}\n"
    asked = questions(jobs=jobs, projects="- {name: p, check: [a, ab]}")
    found = {each.job: str(each.place) for each in asked.jobs("check", "p", "master").absent}
    start = file(jobs=jobs, pipelines=PIPELINE + GATE).splitlines().index("jobs:") + 2
    assert found == {
        "a": f"l.yaml:{start}: jobs[0].branch",
        "ab": f"l.yaml:{start + 2}: jobs[2].branch",
    }


def test_a_skip_if_without_a_list() -> None:
    jobs = "- {name: a, skip-if: {branch: master}}\n"
    asked = questions(jobs=jobs, projects="- {name: p, check: [a]}")
    assert asked.jobs("check", "p").why_not("a").endswith("jobs[0].skip-if, a)")


def test_why_not_in_words() -> None:
    answer = ask("stable/1", "manual/x")
    line = line_of("branch: master")
    assert answer.why_not("p-unit") == (
        f"branch: stable/1 does not match master (l.yaml:{line}: jobs[1].branch, p-unit)"
    )
    assert answer.why_not("p-below2") == ""
    assert answer.why_not("q").startswith("q is not among the project's jobs")


def test_a_job_in_two_places_is_told_once() -> None:
    jobs = "- {name: a, branch: ^x}\n- {name: c, branch: ^x}\n"
    asked = questions(jobs=jobs, projects="- {name: p, check: [{a: [b, c]}, b, c]}")
    answer = asked.jobs("check", "p")
    assert answer.jobs == ("b",)
    assert [each.job for each in answer.absent] == ["a", "c"]


def test_refs_and_timers() -> None:
    jobs = "- {name: a, branch: ^refs/tags/}\n- {name: b, files: x}\n- name: c\n"
    asked = questions(jobs=jobs, projects="- {name: p, check: [a, b, c]}")
    assert asked.jobs_of_ref("check", "p", "refs/tags/1").jobs == ("a", "c")
    timer = asked.jobs_of_timer("check", "p")
    assert timer.jobs == ("c",)
    assert [each.text for each in timer.absent] == [
        "branch: a timer's tick has none; asked for is ^refs/tags/",
        "files: only changes have any; asked for is x",
    ]


def test_a_project_without_jobs_there() -> None:
    asked = questions()
    assert asked.jobs("gate", "p").notes == (
        "p has no key gate: the pipeline ignores its changes.",
    )
    asked = questions(projects="- {name: org/project, gate: [a]}")
    assert "takes its changes, without jobs" in asked.jobs("check", "org/project").notes[0]
    foreign = asked.jobs("check", "org/projct")
    assert foreign.notes[0].endswith("Did you mean org/project?")
    assert "is not in the layout" in foreign.why_not("a")


def test_a_pipeline_that_is_not_there() -> None:
    with pytest.raises(UnknownName, match=r"no pipeline .chekc.; did you mean check\?"):
        questions().jobs("chekc", "p")


def test_no_trigger_takes_the_branch() -> None:
    trigger = "- {event: patchset-created, branch: ^master$}"
    pipeline = (
        "- name: check\n  manager: IndependentPipelineManager\n"
        f"  trigger:\n    gerrit:\n      {trigger}\n"
    )
    asked = questions(pipelines=pipeline, projects="- {name: p, check: [a]}")
    assert asked.jobs("check", "p", "master").notes == ()
    (note,) = asked.jobs("check", "p", "stable").notes
    assert note.startswith("No trigger of check takes changes of the branch stable")


def test_the_commit_message_is_a_file_too() -> None:
    """Gerrit lists it; who forgets it gets another answer than Zuul would give."""
    (note,) = questions().jobs("check", "p", "stable/1", ["x"]).notes
    assert "is another for p-below, p-below2." in note


def test_pipelines_that_an_event_triggers() -> None:
    asked = questions()
    assert asked.triggered(TriggerEvent("gerrit", "patchset-created", branch="x")) == ("check",)
    assert asked.triggered(TriggerEvent("other", "patchset-created", branch="x")) == ()


def test_a_layout_with_problems_is_not_asked() -> None:
    with pytest.raises(LayoutError, match="there is no pipeline 'nosuch'"):
        questions(projects="- {name: p, nosuch: [a]}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "expected a list of at most"),
        ("[", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('[["check", "p", "master", "x"]]', r"\[0\]: expected \[pipeline"),
        ('[["check", "p", "master", ["x"]], ["check", "p", 1, []]]', r"\[1\]: expected"),
        ('[["check", "p", "master", [1]]]', r"\[0\]: expected"),
        ('[["check", "p", "master", [], [], []]]', r"\[0\]: expected"),
    ],
)
def test_a_batch_of_another_shape(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "batch.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        read_batch(path)


def test_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    path.write_text(json.dumps([["check", "p", "b", ["f"]], ["gate", "q", "c", [], ["a"]]]))
    first, second = read_batch(path)
    assert (first.change.branch, first.change.files, first.expected) == ("b", ("f",), None)
    assert (second.pipeline, second.change.project, second.expected) == ("gate", "q", ("a",))


def test_a_batch_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_batch(tmp_path / "nosuch")
