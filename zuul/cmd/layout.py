"""zuul layout: look at a layout.yaml, without a server."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zuul.layout.batch import read_batch
from zuul.layout.differences import LayoutDifferences, compare_layouts
from zuul.layout.expansion import expand_layout
from zuul.layout.loader import check_layout
from zuul.layout.questions import Absent, Answer, LayoutQuestions, UnknownName
from zuul.layout.summary import summarize_layout
from zuul.lib.problems import ConfigError, Problem

if TYPE_CHECKING:
    from zuul.config import ZuulConfig

Parsers = argparse._SubParsersAction


def add_layout(commands: Parsers[argparse.ArgumentParser]) -> None:
    layout = commands.add_parser("layout", help="look at a layout.yaml")
    actions = layout.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_show(actions)
    _add_jobs(actions)
    _add_diff(actions)


def _add_show(actions: Parsers[argparse.ArgumentParser]) -> None:
    show = actions.add_parser(
        "show",
        help="print what a layout.yaml expands to",
        description="Checks a layout.yaml and prints its pipelines, projects, queues and jobs."
        " With the global option -c its connections are looked up in zuul.conf.",
    )
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("--json", action="store_true", help="everything, as JSON")
    show.set_defaults(run=show_layout)


def _add_jobs(actions: Parsers[argparse.ArgumentParser]) -> None:
    jobs = actions.add_parser(
        "jobs",
        help="print which jobs would run, and why the others would not",
        description="Prints which jobs a pipeline would run for a change (or with --ref for a"
        " branch or tag that moved, with --timer for a timer), and for each other job of the"
        " project the rule that keeps it away.",
    )
    jobs.add_argument(
        "layout", nargs="?", type=Path, metavar="LAYOUT", help="default: the one of zuul.conf"
    )
    jobs.add_argument("--pipeline", metavar="X")
    jobs.add_argument("--project", metavar="P")
    jobs.add_argument("--branch", metavar="B", help="of the change (default: master)")
    jobs.add_argument(
        "--file",
        dest="files",
        nargs="+",
        action="extend",
        default=[],
        metavar="F",
        help="what the change touches, as Gerrit lists it (with /COMMIT_MSG)",
    )
    jobs.add_argument("--ref", metavar="REF", help="ask for a ref item instead")
    jobs.add_argument("--timer", action="store_true", help="ask for a timer's item instead")
    jobs.add_argument(
        "--batch",
        type=Path,
        metavar="FILE",
        help="a JSON list of [pipeline, project, branch, [files]]; a fifth element, the jobs"
        " expected, is checked",
    )
    jobs.add_argument("--json", action="store_true", help="the answer as JSON")
    jobs.set_defaults(run=show_jobs, usage=jobs.error)


def _add_diff(actions: Parsers[argparse.ArgumentParser]) -> None:
    diff = actions.add_parser(
        "diff",
        help="print what a new layout.yaml changes",
        description="Prints which jobs appear and vanish for each project and pipeline, and which"
        " jobs are defined otherwise.",
    )
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.add_argument("--json", action="store_true", help="the differences as JSON")
    diff.set_defaults(run=show_differences)


# -- show ----------------------------------------------------------------------------------------


def show_layout(options: argparse.Namespace) -> int:
    """Print the expansion, or every problem of the file."""
    checked = check_layout(options.file, _drivers(options.config))
    print_problems(checked.warnings, "warning: ")
    if checked.layout is None:
        print_problems(checked.problems)
        return 1
    if options.json:
        _print_json(expand_layout(checked.layout))
    else:
        _print_lines(summarize_layout(checked.layout))
    return 0


# -- jobs ----------------------------------------------------------------------------------------


def show_jobs(options: argparse.Namespace) -> int:
    """Print the answer to one question, or to each of a batch."""
    _check_usage(options, options.usage)
    if options.layout is not None:
        questions = _read(options.layout, _drivers(options.config))
    else:
        questions = _read_configured(options.config)
    try:
        if options.batch is not None:
            return _answer_batch(options, questions)
        answer = _ask(options, questions)
    except UnknownName as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        _print_json(_answer_document(answer))
    else:
        _print_lines(_answer_lines(answer))
    return 0


def _check_usage(options: argparse.Namespace, refuse: Callable[[str], Any]) -> None:
    single = (options.pipeline, options.project, options.branch, options.ref)
    if options.batch is not None:
        if any(single) or options.files or options.timer:
            refuse("--batch takes its questions from a file")
        return
    if not options.pipeline or not options.project:
        refuse("--pipeline and --project are required, or --batch")
    of_change = options.branch is not None or bool(options.files)
    if of_change + (options.ref is not None) + options.timer > 1:
        refuse("one of --branch and --file, --ref, --timer")


def _read_configured(path: Path | None) -> LayoutQuestions:
    """The layout that zuul.conf names, with its connections."""
    config = _read_config(path)
    if config.zuul.layout_config is None:
        text = "names no layout, and none was given: LAYOUT is required"
        raise ConfigError([Problem(config.source, 0, "zuul.layout_config", text)])
    return _read(config.zuul.layout_config, _drivers_of(config))


def _ask(options: argparse.Namespace, questions: LayoutQuestions) -> Answer:
    pipeline, project = options.pipeline, options.project
    if options.ref is not None:
        return questions.jobs_of_ref(pipeline, project, options.ref)
    if options.timer:
        return questions.jobs_of_timer(pipeline, project)
    return questions.jobs(pipeline, project, options.branch or "master", options.files)


def _answer_document(answer: Answer) -> dict[str, Any]:
    return {
        "jobs": list(answer.jobs),
        "absent": [_absent_document(each) for each in answer.absent],
        "notes": list(answer.notes),
    }


def _absent_document(absent: Absent) -> dict[str, Any]:
    place = absent.place
    return {
        "job": absent.job,
        "rule": absent.rule,
        "text": absent.text,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "key": place.key if place else None,
        "entry": place.entry if place else None,
    }


def _answer_lines(answer: Answer) -> Iterable[str]:
    depths: list[int] = []
    for node in answer.plan.nodes:
        depths.append(depths[node.parent] + 1 if node.parent >= 0 else 0)
        remark = "" if node.job.voting else " (non-voting)"
        yield f"{'  ' * depths[-1]}{node.job.name}{remark}"
    if not answer.plan.nodes:
        yield "No job would run."
    if answer.absent:
        yield ""
        yield "Not run:"
    for each in answer.absent:
        yield f"  {each.job}: {each.text}"
        if each.place is not None:
            yield f"    {each.place} (of the entry {each.place.entry})"
    for note in answer.notes:
        yield ""
        yield f"Note: {note}"


# -- jobs of a batch -----------------------------------------------------------------------------


def _answer_batch(options: argparse.Namespace, layout: LayoutQuestions) -> int:
    """1 if an answer is not the expected one."""
    questions = read_batch(options.batch)
    answers = []
    wrong = 0
    for number, question in enumerate(questions):
        try:
            found = layout.run(question.pipeline, question.change)
        except UnknownName as error:
            raise ConfigError([Problem(str(options.batch), 0, f"[{number}]", str(error))]) from None
        answers.append(found)
        if question.expected is not None and found != question.expected:
            wrong += 1
            text = f"expected {_listed(question.expected)}, not {_listed(found)}"
            print_problems([Problem(str(options.batch), 0, f"[{number}]", text)])
    if options.json:
        _print_json([list(found) for found in answers])
    else:
        _print_lines(
            f"{each.pipeline} {each.change.project} {each.change.branch}: {_listed(found)}"
            for each, found in zip(questions, answers, strict=True)
        )
    return 1 if wrong else 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no job"


# -- diff ----------------------------------------------------------------------------------------


def show_differences(options: argparse.Namespace) -> int:
    drivers = _drivers(options.config)
    old, new = _read(options.old, drivers), _read(options.new, drivers)
    differences = compare_layouts(old.layout, new.layout)
    if options.json:
        _print_json(_differences_document(differences))
    else:
        _print_lines(_difference_lines(differences))
    return 0


def _differences_document(differences: LayoutDifferences) -> dict[str, Any]:
    projects: dict[str, Any] = {}
    for tree in differences.trees:
        projects.setdefault(tree.project, {})[tree.pipeline] = {
            "appear": list(tree.appear),
            "vanish": list(tree.vanish),
        }
    jobs: dict[str, Any] = {}
    for each in differences.settings:
        jobs.setdefault(each.job, {})[each.setting] = {"old": each.old, "new": each.new}
    return {"projects": projects, "jobs": jobs}


def _difference_lines(differences: LayoutDifferences) -> Iterable[str]:
    if not differences:
        yield "The same jobs run in the same places."
    for tree in differences.trees:
        yield f"{tree.project} {tree.pipeline}"
        yield from (f"  + {name}" for name in tree.appear)
        yield from (f"  - {name}" for name in tree.vanish)
    for each in differences.settings:
        yield f"job {each.job}: {each.setting}: {json.dumps(each.old)} -> {json.dumps(each.new)}"


# -- shared --------------------------------------------------------------------------------------


def _read(path: Path, drivers: Mapping[str, str] | None) -> LayoutQuestions:
    """A big layout is a million objects, none of them garbage: looking for some costs a fifth."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return LayoutQuestions.read(path, drivers)
    finally:
        if collecting:
            gc.enable()


def _drivers(config: Path | None) -> Mapping[str, str] | None:
    return None if config is None else _drivers_of(_read_config(config))


def _drivers_of(config: ZuulConfig) -> Mapping[str, str]:
    return {name: connection.driver for name, connection in config.connections.items()}


def _read_config(config: Path | None) -> ZuulConfig:
    # Not above: most questions about a layout need no zuul.conf, and its readers take their time.
    from zuul.config import Program, read_config

    return read_config(config, Program.CLIENT)


def print_problems(problems: Iterable[Problem], prefix: str = "") -> None:
    for problem in problems:
        print(f"{prefix}{problem}", file=sys.stderr)


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=1)
    print()
    sys.stdout.flush()


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
