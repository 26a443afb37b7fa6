"""Entries of `jobs` and the merging of regular expressions: contract zuul.md 2.6 and 2.7."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.zuul.layout.texts import file as layout_file
from tests.unit.zuul.layout.texts import layout, problems, problems_of, warnings_of
from zuul.layout.expansion import expand_layout
from zuul.model.job import Job


def jobs(text: str, *mentioned: str) -> Mapping[str, Job]:
    """The jobs of the entries, with those that a project's tree alone mentions."""
    tree = f"- name: p\n  check: [{', '.join(mentioned)}]" if mentioned else "[]"
    return layout(jobs=text, projects=tree).jobs


def complaints(keys: str) -> list[str]:
    found = problems_of(jobs=f"- {{name: a, {keys}}}")
    return [each.removeprefix("jobs[0].") for each in found]


def test_defaults() -> None:
    assert jobs("[]", "a")["a"] == Job("a", voting=True, attempts=3)


def test_every_key() -> None:
    found = jobs(
        """\
        - name: a
          queue-name: q
          failure-message: f
          success-message: s
          failure-pattern: fp
          success-pattern: sp
          hold-following-changes: true
          voting: false
          attempts: 5
          mutex: m
          tags: [x, y]
          branch: [b1, b2]
          files: f1
          skip-if: [{project: p, branch: b, all-files-match-any: [g]}]
          swift: [{name: logs, container: c, expiry: 1, max-file-size: 2, max_file_count: 3,
                   logserver-prefix: x}]
        """
    )["a"]
    assert (found.queue_name, found.failure_message, found.success_message) == ("q", "f", "s")
    assert (found.failure_pattern, found.success_pattern) == ("fp", "sp")
    assert (found.hold_following_changes, found.voting, found.attempts) == (True, False, 5)
    assert (found.mutex, found.tags) == ("m", {"x", "y"})
    assert [each.pattern for each in found.branches] == ["b1", "b2"]
    assert [each.pattern for each in found.files] == ["f1"]
    (rule,) = found.skip_if
    assert rule.project is not None
    assert rule.branch is not None
    assert [each.pattern for each in rule.all_files_match_any] == ["g"]
    assert found.swift == (
        {
            "name": "logs",
            "container": "c",
            "expiry": 1,
            "max-file-size": 2,
            "max_file_count": 3,
            "logserver-prefix": "x",
        },
    )


def test_single_values_stand_for_lists_of_one() -> None:
    one = jobs("- {name: a, tags: t, branch: b, skip-if: {branch: c}, swift: {name: s}}")["a"]
    many = jobs("- {name: a, tags: [t], branch: [b], skip-if: [{branch: c}], swift: [{name: s}]}")
    assert one == many["a"]


def test_an_expression_gives_to_jobs_named_later() -> None:
    found = jobs("- {name: ^gate-.*$, voting: false, mutex: m}", "gate-x", "other")
    assert (found["gate-x"].voting, found["gate-x"].mutex) == (False, "m")
    assert found["other"] == Job("other")
    assert "^gate-.*$" not in found


def test_94_an_entry_takes_nothing_from_expressions_below_it() -> None:
    found = jobs("[{name: a, mutex: own}, {name: ^.*$, voting: false}, {name: b}]", "c")
    assert (found["a"].voting, found["b"].voting, found["c"].voting) == (True, False, False)


def test_expressions_match_at_the_start_alone() -> None:
    found = jobs("[{name: ^a, mutex: m}, {name: ^.*b$, mutex: n}]", "ab", "ac", "ca", "cb")
    assert {name: job.mutex for name, job in found.items()} == {
        "ab": "n",
        "ac": "m",
        "ca": None,
        "cb": "n",
    }


def test_later_expressions_replace_what_they_state() -> None:
    found = jobs(
        """\
        - {name: ^.*$, branch: master, failure-message: f, files: [x], skip-if: [{branch: s}]}
        - {name: ^a.*$, branch: stable, success-message: s}
        """,
        "ab",
    )["ab"]
    assert [each.pattern for each in found.branches] == ["stable"]
    assert (found.failure_message, found.success_message) == ("f", "s")
    assert [each.pattern for each in found.files] == ["x"]
    assert len(found.skip_if) == 1


def test_own_attributes_are_set_on_top() -> None:
    found = jobs("[{name: ^.*$, mutex: m, branch: x}, {name: a, branch: y}]")["a"]
    assert (found.mutex, [each.pattern for each in found.branches]) == ("m", ["y"])


def test_82_tags_are_joined() -> None:
    found = jobs(
        "[{name: ^.*-merge$, tags: merge}, {name: p1-merge, tags: [project1, extratag]}]",
        "p2-merge",
    )
    assert found["p1-merge"].tags == {"merge", "project1", "extratag"}
    assert found["p2-merge"].tags == {"merge"}


def test_91_swift_destinations_are_joined_by_name() -> None:
    found = jobs(
        "[{name: ^.*$, swift: [{name: logs, container: a}, {name: more}]},"
        " {name: a, swift: {name: logs, container: b}}]"
    )["a"]
    assert found.swift == ({"name": "logs", "container": "b"}, {"name": "more"})


def test_94_queue_name_and_attempts_of_an_expression_have_no_effect() -> None:
    text = "[{name: ^.*$, queue-name: q, attempts: 7}]"
    found = jobs(text, "a")["a"]
    assert (found.queue_name, found.attempts) == (None, 3)
    assert warnings_of(jobs=text) == [
        "jobs[0].attempts: has no effect in an entry of a regular expression",
        "jobs[0].queue-name: has no effect in an entry of a regular expression",
    ]


def test_hold_following_changes_cannot_be_undone_and_non_voting_can() -> None:
    found = jobs(
        "[{name: ^.*$, hold-following-changes: true, voting: false},"
        " {name: a, hold-following-changes: false, voting: true}]",
        "b",
    )
    assert (found["a"].hold_following_changes, found["a"].voting) == (True, True)
    assert (found["b"].hold_following_changes, found["b"].voting) == (True, False)


def test_153_an_expression_that_states_no_boolean_unsets_none() -> None:
    found = jobs(
        "[{name: ^.*$, voting: false, hold-following-changes: true}, {name: ^a, mutex: m}]", "a"
    )["a"]
    assert (found.voting, found.hold_following_changes) == (False, True)


def test_a_job_is_one_in_all_projects() -> None:
    found = layout(projects="[{name: p, check: [a, {b: [a]}]}, {name: q, check: [a]}]")
    nodes = [node for tree in found.pipelines[0].trees.values() for node in tree.walk()]
    assert len({id(node.job) for node in nodes if node.job.name == "a"}) == 1


def test_names_beyond_ascii_are_names_like_others() -> None:
    found = jobs("- {name: ^prüf-.*$, mutex: m}", "prüf-ä", "日本")
    assert found["prüf-ä"].mutex == "m"
    assert "日本" in found


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("branch: '(('", "branch: is not a regular expression: missing )"),
        ("files: [a, '[']", "files[1]: is not a regular expression: unterminated character set"),
        ("skip-if: [{project: '*'}]", "skip-if[0].project: is not a regular expression"),
        ("skip-if: [{prject: x}]", "skip-if[0].prject: is not a known key"),
        ("skip-if: project", "skip-if: expected a map, not text"),
        ("swift: [{container: c}]", "swift[0].name: is required"),
        ("swift: [{name: s, expiry: soon}]", "swift[0].expiry: expected a whole number, not text"),
        ("voting: 1", "voting: expected true or false, not a number"),
        ("attempts: 0", "attempts: expected 1 or more, not 0"),
        ("timeout: 3", "timeout: is not a known key"),
        ("tags: [1]", "tags[0]: expected text, not a number; put it in quotes"),
        ("mutex: null", "mutex: has no value; expected text"),
        ("parameter-function: nosuch", "parameter-function: 'nosuch' is in no included file"),
    ],
)
def test_142_mistakes(keys: str, told: str) -> None:
    (problem,) = complaints(keys)
    assert problem.startswith(told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("'a b'", "jobs[0].name: a job's name has no white space in it: 'a b'"),
        ("'^('", "jobs[0]: is not a regular expression: missing ), unterminated subpattern"),
        ("''", "jobs[0].name: is empty"),
        (r'"a\ab"', "jobs[0].name: a job's name has no control characters in it"),
    ],
)
def test_142_names(name: str, told: str) -> None:
    (problem,) = problems_of(jobs=f"- name: {name}")
    assert problem.startswith(told)


def test_142_duplicate_jobs() -> None:
    assert problems_of(jobs="[{name: a}, {name: ^b}, {name: a}, {name: ^b}]") == [
        "jobs[2].name: another job is named 'a'",
        "jobs[3].name: another job is named '^b'",
    ]


def test_a_skip_if_without_conditions_is_warned_of() -> None:
    assert warnings_of(jobs="- {name: a, skip-if: [{}]}") == [
        "jobs[0].skip-if[0]: skips every change: it has no condition"
    ]


def test_the_expansion_has_what_says_something_of_the_jobs_that_stand_in_trees() -> None:
    found = expand_layout(
        layout(
            jobs="""\
            - {name: a, voting: false, tags: [e, d, c, b, a], branch: [y, x], mutex: m}
            - {name: unused}
            - {name: ^x}
            """,
            projects="[{name: p, check: [a, b]}]",
        )
    )
    assert found["jobs"] == {
        "a": {
            "attempts": 3,
            "mutex": "m",
            "tags": ["a", "b", "c", "d", "e"],
            "branches": ["y", "x"],
        },
        "b": {"attempts": 3, "voting": True},
    }


def test_jobs_that_no_worker_knows() -> None:
    text = layout_file(jobs="[{name: a}, {name: ^x}]", projects="[{name: p, check: [b, noop]}]")
    assert problems(text, frozenset({"a", "b"})) == []
    assert problems(text, frozenset({"other"})) == [
        "jobs[0]: FAILURE: no worker knows the job 'a'",
        "projects[0].check[0]: FAILURE: no worker knows the job 'b'",
    ]
