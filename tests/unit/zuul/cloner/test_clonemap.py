"""Clone maps: scenario 150, and what no map may do."""

from __future__ import annotations

from pathlib import Path

import pytest

from zuul.cloner.clonemap import CloneMap, parse_clonemap, read_clonemap
from zuul.errors import CloneError
from zuul.lib.problems import ConfigError


def places(rules: str, *projects: str) -> dict[str, str]:
    return parse_clonemap(f"clonemap: [{rules}]", "map.yaml").destinations(projects)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_clonemap(text, "map.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_150_an_empty_map_keeps_paths() -> None:
    projects = {"org/project1": "org/project1", "p": "p"}
    assert CloneMap().destinations(projects) == projects
    assert places("", *projects) == projects
    assert parse_clonemap("clonemap:\n", "map.yaml").destinations(projects) == projects


def test_150_the_root_of_the_workspace() -> None:
    assert places("{name: mediawiki/core, dest: .}", "mediawiki/core") == {"mediawiki/core": "."}


@pytest.mark.parametrize("destination", ["./", "/", "./x/.."])
def test_150_other_spellings_of_the_root(destination: str) -> None:
    assert places(f"{{name: p, dest: {destination}}}", "p") == {"p": "."}


def test_150_groups() -> None:
    rules = r"{name: 'mediawiki/extensions/(.*)', dest: 'extensions/\1'}, {name: a, dest: b/c}"
    assert places(rules, "mediawiki/extensions/Visual/Editor", "a", "mediawiki/core") == {
        "mediawiki/extensions/Visual/Editor": "extensions/Visual/Editor",
        "a": "b/c",
        "mediawiki/core": "mediawiki/core",
    }


def test_150_a_group_is_dropped() -> None:
    assert places(r"{name: 'org/(.*)', dest: '\1'}", "org/p") == {"org/p": "p"}


def test_150_relative_to_the_workspace() -> None:
    assert places(r"{name: '.*/(.*)', dest: './\1'}", "org/p") == {"org/p": "p"}
    assert places(r"{name: '.*/(.*)', dest: '/\1//x/'}", "org/p") == {"org/p": "p/x"}


def test_150_two_projects_to_one_destination() -> None:
    with pytest.raises(CloneError, match="b/p and a/p would both go to x/p"):
        places(r"{name: './(.*)', dest: 'x/\1'}", "a/p", "b/p")
    with pytest.raises(CloneError, match=r"b and a would both go to a"):
        places("{name: b, dest: a}", "a", "b")


def test_two_rules_for_one_project() -> None:
    with pytest.raises(CloneError, match=r"map.yaml: the rules of lines 1 and 1 both match a"):
        places("{name: a, dest: x}, {name: '.*', dest: y}", "a")


def test_a_project_named_twice_is_cloned_once() -> None:
    assert list(CloneMap().destinations(["a", "b", "a"])) == ["a", "b"]


def test_a_rule_matches_whole_names() -> None:
    rules = "{name: org/p, dest: x}"
    assert places(rules, "org/p1", "my/org/p") == {"org/p1": "org/p1", "my/org/p": "my/org/p"}


@pytest.mark.parametrize(
    "destination",
    ["..", "../x", "a/../../x", "/../x", ".git", "a/.git/hooks", ".GIT/x", "-x", "a/-x", "a\\\\b"],
)
def test_a_destination_stays_in_the_workspace(destination: str) -> None:
    with pytest.raises(CloneError, match="p cannot go to"):
        places(f'{{name: p, dest: "{destination}"}}', "p")


def test_a_name_that_becomes_a_destination_stays_there_too() -> None:
    with pytest.raises(CloneError, match=r"cannot go to"):
        places(r"{name: 'org/(.*)', dest: 'x/\1'}", "org/../../etc")


def test_a_folder_with_a_dot_is_the_operators_choice() -> None:
    assert places("{name: p, dest: .cache/p}", "p") == {"p": ".cache/p"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "map.yaml:1: clonemap: is required"),
        ("clonemap: 1", "map.yaml:1: clonemap: expected a list of rules, not a number"),
        ("clonemap: [x]", "map.yaml:1: clonemap[0]: expected a map of name and dest, not text"),
        ("clonemap: [{name: a}]", "map.yaml:1: clonemap[0].dest: is required"),
        ("clonemap: [{name: a, dest: b, c: d}]", "map.yaml:1: clonemap[0].c: is not a known key"),
        ("clonemap: []\nmore: 1", "map.yaml:2: more: is not a known key"),
        ("clonemap: [{name: (, dest: b}]", "map.yaml:1: while parsing"),
        ("clonemap: [{name: '(', dest: b}]", "map.yaml:1: clonemap[0]: is not a rule: missing )"),
        (r"clonemap: [{name: a, dest: '\1'}]", "map.yaml:1: clonemap[0]: is not a rule: invalid"),
        (r"clonemap: [{name: a, dest: '\g<x>'}]", "map.yaml:1: clonemap[0]: is not a rule: unkn"),
    ],
)
def test_a_map_with_a_mistake(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem.removesuffix("while parsing"))


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("clonemap: [{name: a, dest: b}]\n")
    assert read_clonemap(path).destinations(["a"]) == {"a": "b"}
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_clonemap(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_clonemap(tmp_path / "nosuch")
