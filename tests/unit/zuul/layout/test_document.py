"""A YAML file with its lines: limits, keys, what is no YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.zuul.layout.texts import file, problems, problems_of
from zuul.errors import LayoutError
from zuul.layout.loader import check_layout, check_text, parse_layout
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.yaml_document import MAX_CHARACTERS, MAX_DEPTH, Document


def located(text: str) -> list[tuple[int, str, str]]:
    checked = check_text(text, "layout.yaml")
    return [(each.line, each.key, each.text) for each in checked.problems]


def test_all_problems_at_once_each_with_its_line_and_key() -> None:
    text = (
        "pipelines:\n"  # 1
        "  - name: check\n"
        "    manager: Nobody\n"  # 3
        "    trigger:\n"
        "      gerrit:\n"
        "        - event: patchset-created\n"
        "          evnt: x\n"  # 7
        "jobs:\n"
        "  - name: a\n"
        "    voting: maybe\n"  # 10
        "projects:\n"
        "  - name: p\n"
        "    chek: [a]\n"  # 13
    )
    with pytest.raises(LayoutError) as caught:
        parse_layout(text, "etc/layout.yaml")
    places = [(each.source, each.line, each.key) for each in caught.value.problems]
    assert places == [
        ("etc/layout.yaml", 3, "pipelines[0].manager"),
        ("etc/layout.yaml", 7, "pipelines[0].trigger.gerrit[0].evnt"),
        ("etc/layout.yaml", 10, "jobs[0].voting"),
        ("etc/layout.yaml", 13, "projects[0].chek"),
    ]
    assert "etc/layout.yaml:10: jobs[0].voting: expected true or false" in str(caught.value)


def test_problems_of_sections_and_of_what_rests_on_them_come_together() -> None:
    found = problems_of(
        pipelines="- {name: gate, manager: DependentPipelineManager, trigger: {}, nope: 1}",
        jobs="[{name: a, queue-name: x}, {name: b, queue-name: y}]",
        projects="[{name: p, gate: [a, b]}]",
    )
    assert len(found) == 2
    assert "More than one name assigned to change queue" in found[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("a: [1", "flow sequence"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: *nobody", "undefined alias"),
        ("---\na: 1\n---\nb: 2\n", "single document"),
        ("a: \x00", "is not YAML"),
        ("a: \udc80", "is not YAML"),
    ],
)
def test_what_is_no_yaml_document_is_one_problem(text: str, told: str) -> None:
    (problem,) = check_text(text, "layout.yaml").problems
    assert told in problem.text


def test_a_syntax_error_has_its_line() -> None:
    (problem,) = check_text("pipelines: []\nprojects: [\n", "layout.yaml").problems
    assert problem.line == 3


@pytest.mark.parametrize("text", ["- a", "just text", "42"])
def test_the_top_level_is_a_map(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("expected a map with pipelines and projects, not")


def test_a_key_given_twice_is_a_problem_with_both_lines() -> None:
    found = located(file(jobs="- name: a\n  branch: x\n  voting: true\n  branch: y"))
    assert [(key, text) for _, key, text in found] == [
        ("jobs[0].branch", "is given twice; the first stands in line 8")
    ]


def test_merge_keys_are_followed_and_the_own_key_wins() -> None:
    text = file(
        jobs="- &base {name: a, voting: false, attempts: 2}\n- {<<: *base, name: b, attempts: 5}"
    )
    jobs = parse_layout(text, "layout.yaml").jobs
    assert (jobs["b"].voting, jobs["b"].attempts, jobs["a"].attempts) == (False, 5, 2)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("!!python/object/apply:os.system [id]", "the tag tag:yaml.org,2002:python/object"),
        ("!mine x", "the tag !mine"),
        ("12", "not a number; put it in quotes"),
        ("on", "not true or false; put it in quotes"),
        ("2013-01-01", "not a date; put it in quotes"),
        ("", "has no value; expected text"),
        ("[a]", "not a list"),
    ],
)
def test_only_text_is_text(value: str, told: str) -> None:
    (problem,) = problems_of(jobs=f"- name: a\n  mutex: {value}")
    assert problem.startswith("jobs[0].mutex: ")
    assert told in problem


@pytest.mark.parametrize("tag", ["!!str [a]", "!!int x", "!!bool x", "!!map x", "!!seq x", "!!int"])
def test_lying_tags_are_problems(tag: str) -> None:
    for key in ("mutex", "voting", "attempts", "branch", "skip-if"):
        checked = check_text(file(jobs=f"- name: a\n  {key}: {tag}"), "layout.yaml")
        assert checked.layout is None or (key, tag) in {("mutex", "!!int"), ("branch", "!!int")}


def test_complex_keys_are_problems() -> None:
    assert problems("? [a, b]\n: c\npipelines: []\nprojects: []\n") == [
        "?: expected text, not a list"
    ]


def test_depth_is_limited() -> None:
    for text in ("[" * 100_000, "a: " + "{a: " * 5_000, "- " * 200 + "a"):
        (problem,) = check_text(text, "layout.yaml").problems
        # a libyaml of 0.2.6 or newer has a limit of its own
        assert f"more than {MAX_DEPTH} levels" in problem.text or "nesting depth" in problem.text


def test_size_is_limited() -> None:
    with pytest.raises(ConfigError, match="longer than"):
        Document("#" * (MAX_CHARACTERS + 1), "layout.yaml")


def test_a_yaml_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = check_text("\n".join(lines), "layout.yaml").problems
    assert "aliases expand to more than" in problem.text


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {a: *a}", "a: &a {b: {c: [1, *a]}}"])
def test_a_value_that_contains_itself_is_refused(text: str) -> None:
    (problem,) = check_text(text, "layout.yaml").problems
    assert problem.text == "an alias makes this value contain itself"


def test_shared_values_are_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text(
        file(projects="- name: p\n  check: &jobs [a, b & c]\n- name: q\n  check: *jobs")
    )
    (problem,) = check_layout(path).problems
    assert problem.key == "projects[0].check[1]"
    path.write_text(file(projects="- name: p\n  check: &jobs [a, b]\n- name: q\n  check: *jobs"))
    checked = check_layout(path)
    assert checked.layout is not None
    assert checked.layout.pipelines[0].trees["p"] == checked.layout.pipelines[0].trees["q"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = check_layout(tmp_path / "nowhere.yaml").problems
    assert missing == (
        Problem(str(tmp_path / "nowhere.yaml"), 0, "", "cannot be read: No such file or directory"),
    )
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"pipelines: []\nprojects: []\n# \xe9\n")
    assert check_layout(latin).problems[0].text == "is not UTF-8 at byte 29"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + file().encode())
    assert check_layout(path).problems == ()


def test_a_number_in_quotes_is_one() -> None:
    checked = check_text(file(jobs="- {name: a, attempts: '4'}"), "layout.yaml")
    assert checked.layout is not None
    assert checked.layout.jobs["a"].attempts == 4
    assert [each.key for each in checked.warnings] == ["jobs[0].attempts"]


def test_warnings_alone_leave_the_layout() -> None:
    assert problems_of(jobs="- {name: a, attempts: '+-4'}") == [
        "jobs[0].attempts: expected a whole number, not text"
    ]
