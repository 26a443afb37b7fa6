"""Many questions in one JSON file: a list of [pipeline, project, branch, [files]].

A fifth element, the list of jobs that are expected to run, makes such a file a test of a layout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from zuul.lib.problems import ConfigError, Problem
from zuul.model.change import Change, ChangeKey

#: of one file
MOST_QUESTIONS = 1_000_000
_SHAPE = "expected [pipeline, project, branch, [files]], and perhaps [jobs]"


class Question(NamedTuple):
    """Which jobs of a pipeline run for a change?"""

    pipeline: str
    change: Change
    #: names of the jobs that should; None: nothing is expected
    expected: tuple[str, ...] | None


def read_batch(path: Path) -> list[Question]:
    """The questions of a file. Raises ConfigError with the place of each that is none."""
    source = str(path)
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
        raise ConfigError([Problem(source, 0, "", text)]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem(source, 0, "", f"is not JSON: {error}")]) from error
    if not isinstance(document, list) or len(document) > MOST_QUESTIONS:
        text = f"expected a list of at most {MOST_QUESTIONS} questions"
        raise ConfigError([Problem(source, 0, "", text)])
    questions: list[Question] = []
    problems: list[Problem] = []
    for number, row in enumerate(document):
        question = _parse(row)
        if question is None:
            problems.append(Problem(source, 0, f"[{number}]", _SHAPE))
        else:
            questions.append(question)
    if problems:
        raise ConfigError(problems)
    return questions


def _parse(row: Any) -> Question | None:
    if not isinstance(row, list) or len(row) not in (4, 5):
        return None
    pipeline, project, branch, *lists = row
    if not _are_texts([pipeline, project, branch]):
        return None
    if not all(isinstance(each, list) and _are_texts(each) for each in lists):
        return None
    change = Change(ChangeKey("", "1", "1"), project, branch, "", files=tuple(lists[0]))
    return Question(pipeline, change, tuple(lists[1]) if len(lists) == 2 else None)


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
