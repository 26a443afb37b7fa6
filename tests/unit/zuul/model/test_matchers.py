"""Whether a job applies: contract zuul.md 2.6, scenarios 78, 79 and 152."""

from __future__ import annotations

import pytest

from zuul.lib.patterns import Pattern
from zuul.model.change import Change, Changeish, ChangeKey, NullChange, NullKey, Ref, RefKey
from zuul.model.job import Job, SkipIf
from zuul.model.matchers import COMMIT_MESSAGE, job_applies

REF = Ref(RefKey("gerrit", "org/p", "refs/tags/1", "b" * 40), "a" * 40)
NOTHING = NullChange(NullKey("gerrit", "org/p"))


def change(*files: str, branch: str = "master", known: bool = True) -> Change:
    key = ChangeKey("gerrit", "1", "1")
    return Change(key, "org/p", branch, "refs/changes/01/1/1", files=files if known else None)


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern(text) for text in texts)


@pytest.mark.parametrize("item", [change(), REF, NOTHING])
def test_a_job_without_filters_always_applies(item: Changeish) -> None:
    assert job_applies(Job("a"), item)


@pytest.mark.parametrize(
    ("branches", "item", "applies"),
    [
        (("mast",), change(), True),
        (("aster",), change(), False),
        (("stable", "master"), change(), True),
        (("^(?!stable/kilo).*$",), change(branch="stable/kilo"), False),
        (("refs/tags/",), REF, True),
        (("master",), REF, False),
        ((".*",), NOTHING, False),
    ],
)
def test_152_branches(branches: tuple[str, ...], item: Changeish, applies: bool) -> None:
    assert job_applies(Job("a", branches=patterns(*branches)), item) is applies


@pytest.mark.parametrize(
    ("item", "applies"),
    [
        (change("README", "pip-requires"), True),
        (change("README"), False),
        (change(), False),
        (change(known=False), False),
        (REF, False),
        (NOTHING, False),
    ],
)
def test_78_152_files(item: Changeish, applies: bool) -> None:
    assert job_applies(Job("a", files=patterns("^x", ".*-requires")), item) is applies


DOCS = SkipIf(all_files_match_any=patterns("^doc/", r"^.*\.rst$"))


@pytest.mark.parametrize(
    ("item", "skipped"),
    [
        (change("doc/a", COMMIT_MESSAGE), True),
        (change("doc/a", "b.rst", COMMIT_MESSAGE), True),
        (change("doc/a", "setup.py", COMMIT_MESSAGE), False),
        (change("doc/a"), False),
        (change(COMMIT_MESSAGE), False),
        (change(), False),
        (change(known=False), False),
        (REF, False),
        (NOTHING, False),
    ],
)
def test_152_all_files_match_any(item: Changeish, skipped: bool) -> None:
    assert job_applies(Job("a", skip_if=(DOCS,)), item) is not skipped


def test_79_152_all_parts_of_a_rule_must_match() -> None:
    rule = SkipIf(Pattern("^org/p$"), Pattern("^master$"), patterns("^README$"))
    job = Job("a", skip_if=(rule,))
    assert not job_applies(job, change("README", COMMIT_MESSAGE))
    assert job_applies(job, change("README", COMMIT_MESSAGE, branch="mp"))
    assert job_applies(job, change("setup.py", COMMIT_MESSAGE))
    other = Job("a", skip_if=(SkipIf(project=Pattern("^org/other$")),))
    assert job_applies(other, change("README", COMMIT_MESSAGE))


def test_any_rule_skips() -> None:
    job = Job("a", skip_if=(DOCS, SkipIf(branch=Pattern("^stable"))))
    assert not job_applies(job, change("x", "y", branch="stable/kilo"))
    assert job_applies(job, change("x", "y"))


def test_a_rule_on_branches_knows_no_branch_of_a_timer() -> None:
    job = Job("a", skip_if=(SkipIf(branch=Pattern(".*")),))
    assert job_applies(job, NOTHING)
    assert not job_applies(job, REF)
