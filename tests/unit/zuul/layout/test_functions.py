"""Included Python files and parameter functions: contract zuul.md 2.1, Appendix A."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.zuul.layout.texts import file as layout_file
from zuul.layout.loader import check_layout, check_text, read_layout
from zuul.lib.problems import Problem
from zuul.model.job import Job

ITEM = SimpleNamespace(change=SimpleNamespace(branch="master"))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a layout that includes the Python files given, and uses `f` of them."""

    def writer(jobs: str = "[{name: a, parameter-function: f}]", **files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        includes = "".join(f"  - python-file: {name}.py\n" for name in files)
        path = tmp_path / "layout.yaml"
        path.write_text(f"includes:\n{includes}" + layout_file(jobs=jobs))
        return path

    return writer


def call(path: Path) -> dict[str, Any]:
    job: Job = read_layout(path).jobs["a"]
    assert job.parameter_function is not None
    assert job.parameter_function_name == "f"
    params: dict[str, Any] = {}
    job.parameter_function(ITEM, job, params)
    return params


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("def f(item, job, params): params['x'] = item.change.branch + job.name", "mastera"),
        ("def f(item, job, params, more=1): params['x'] = job.name", "a"),
        ("def f(*args): args[2]['x'] = len(args)", 3),
        ("def f(item, params): params['x'] = item.change.branch", "master"),
        ("def f(change, params): params['x'] = change.branch", "master"),
        ("class F:\n  def __call__(self, item, job, params): params['x'] = 1\nf = F()", 1),
    ],
)
def test_functions_of_old_and_new_form(write: Any, definition: str, expected: object) -> None:
    assert call(write(functions=definition)) == {"x": expected}


def test_all_files_share_one_namespace_and_are_executed_once_in_order(write: Any) -> None:
    path = write(
        one="count = []\ndef f(item, job, params): params['x'] = g()",
        two="count.append(1)\ndef g(): return len(count)",
    )
    assert call(path) == {"x": 1}


def test_a_relative_path_starts_from_the_real_folder_of_the_layout(
    write: Any, tmp_path: Path
) -> None:
    path = write(functions="def f(item, job, params): params['x'] = 1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = elsewhere / "linked.yaml"
    link.symlink_to(path)
    assert call(link) == {"x": 1}


def test_layouts_are_equal_while_the_files_are(write: Any) -> None:
    first = read_layout(write(functions="def f(item, job, params): pass"))
    assert read_layout(write(functions="def f(item, job, params): pass")) == first
    changed = read_layout(write(functions="def f(item, job, params): params['x'] = 1"))
    assert changed != first
    assert repr(changed.jobs["a"].parameter_function) == "LoadedFunction('f')"
    assert len({first.jobs["a"].parameter_function, changed.jobs["a"].parameter_function}) == 2
    assert first.jobs["a"].parameter_function != "f"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax"),
        ("x = 1\nprint 'old'\n", 2, "SyntaxError: Missing parentheses"),
        ("import nosuchmodule\n", 1, "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("def g():\n    1 / 0\n\ng()\n", 2, "ZeroDivisionError: division by zero"),
        ("import sys\n\nsys.exit(3)\n", 3, "SystemExit: 3"),
        ("\0", 0, "source code string cannot contain null bytes"),
    ],
)
def test_errors_of_a_file_have_its_name_and_line(
    write: Any, tmp_path: Path, text: str, line: int, told: str
) -> None:
    path = write(functions=text)
    (problem,) = check_layout(path).problems
    assert (problem.source, problem.line) == (str(tmp_path / "functions.py"), line)
    assert told in problem.text


def test_problems_of_the_layout_are_told_with_them(write: Any) -> None:
    path = write(jobs="[{name: a, parameter-function: f, voting: 1}]", functions="1 / 0")
    assert len(check_layout(path).problems) == 2


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text("includes: [{python-file: nosuch.py}]\n" + layout_file())
    (problem,) = check_layout(path).problems
    assert (problem.line, problem.key) == (1, "includes[0]")
    assert problem.text == f"cannot read {tmp_path}/nosuch.py: No such file or directory"


@pytest.mark.parametrize(
    ("includes", "told"),
    [
        ("[{python-fil: x}]", ["includes[0].python-fil: is not a known key", "is required"]),
        ("[x.py]", ["includes[0]: expected a map with python-file, not text"]),
        ("[{python-file: x.py}]", ["includes[0]: cannot be found: the layout is in no folder"]),
        ("", ["includes: has no value; expected a map with python-file"]),
    ],
)
def test_mistakes_in_includes(includes: str, told: list[str]) -> None:
    text = f"includes: {includes}\n" + layout_file(jobs="[{name: a, parameter-function: f}]")
    found = [f"{each.key}: {each.text}" for each in check_text(text, "layout.yaml").problems]
    assert len(found) == len(told)
    for line, part in zip(found, told, strict=True):
        assert part in line


def test_a_name_that_is_no_function(write: Any) -> None:
    (problem,) = check_layout(write(functions="f = 3")).problems
    assert problem.text == "'f' is no function"
    (problem,) = check_layout(write(functions="")).problems
    assert problem == Problem(
        problem.source, problem.line, "jobs[0].parameter-function", "'f' is in no included file"
    )
