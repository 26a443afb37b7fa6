"""Which refs and branches a project is tried at: contract zuul.md 11.4, steps 1 to 5."""

from __future__ import annotations

from typing import Any

import pytest

from zuul.cloner.plan import (
    CheckoutPlan,
    CloneRequest,
    RefSource,
    check_request,
    origin_of,
    plan_checkout,
    wanted_branch,
)
from zuul.errors import CloneError

REF = "refs/zuul/master/Zabc"
STABLE = "refs/zuul/stable/Zabc"


def request(**more: Any) -> CloneRequest:
    settings: dict[str, Any] = {
        "git_base_url": "https://git/",
        "projects": ("p", "q"),
        "zuul_url": "https://zuul/p",
        "zuul_project": "p",
        "zuul_branch": "master",
        "zuul_ref": REF,
    }
    return CloneRequest(**(settings | more))


def plan(project: str, *, has_wanted: bool = True, **more: Any) -> CheckoutPlan:
    return plan_checkout(request(**more), project, has_wanted)


def test_origin() -> None:
    assert origin_of(request(), "p") == "https://zuul/p/p"
    assert origin_of(request(), "q") == "https://git/q"
    assert origin_of(request(zuul_url=None), "p") == "https://git/p"


def test_the_project_of_the_change() -> None:
    refs = (RefSource("https://zuul/p/p", REF),)
    assert plan("p") == CheckoutPlan(None, refs, ("master",), first_is_required=True)


def test_another_project() -> None:
    assert plan("q") == CheckoutPlan(None, (RefSource("https://zuul/p/q", REF),), ("master",))


def test_another_branch_is_wanted() -> None:
    found = plan("q", branch="stable")
    assert [source.ref for source in found.refs] == [STABLE]
    assert found.branches == ("stable",)


def test_a_branch_that_the_project_does_not_have() -> None:
    found = plan("p", has_wanted=False, branch="stable")
    assert [source.ref for source in found.refs] == [STABLE, REF]
    assert (found.branches, found.first_is_required) == (("master",), False)


def test_a_project_with_a_branch_of_its_own() -> None:
    more = {"branch": "stable", "project_branches": {"q": "feature"}}
    assert wanted_branch(request(**more), "q") == "feature"
    assert wanted_branch(request(**more), "p") == "stable"
    assert wanted_branch(request(), "p") == "master"


def test_a_revision() -> None:
    newrev = "a" * 40
    more = {"zuul_ref": "master", "zuul_branch": None, "zuul_newrev": newrev}
    refs = (RefSource("https://zuul/p/p", "master"),)
    assert plan("p", has_wanted=False, **more) == CheckoutPlan(newrev, refs, ())
    assert plan("q", has_wanted=False, **more) == CheckoutPlan(None, (), ("master",))


def test_without_a_ref() -> None:
    nothing = {"zuul_ref": None, "zuul_branch": None, "zuul_project": None, "zuul_url": None}
    assert plan("p", has_wanted=False, **nothing) == CheckoutPlan(None, (), ("master",))
    assert plan("p", branch="stable", **nothing) == CheckoutPlan(None, (), ("stable",))


@pytest.mark.parametrize(
    ("branch", "ref", "other"),
    [
        ("master", "refs/zuul/master/Z1", "refs/zuul/a.c/Z1"),
        ("zuul", "refs/zuul/zuul/Z1", "refs/zuul/a.c/Z1"),
        ("f.o+", "refs/zuul/f.o+/Z1", "refs/zuul/a.c/Z1"),
        ("f.o", "refs/zuul/foo/Z1", "refs/zuul/foo/Z1"),
        ("stable/a", "refs/zuul/stable/a/Z1", "refs/zuul/a.c/Z1"),
        ("stable", "refs/heads/stable", "refs/heads/a.c"),
        ("stable", "stable", "a.c"),
        ("stable", "refs/changes/01/1/1", "refs/changes/01/1/1"),
    ],
)
def test_the_ref_of_another_branch(branch: str, ref: str, other: str) -> None:
    """The original replaces by a regular expression, wherever it matches."""
    (source,) = plan("q", branch="a.c", zuul_branch=branch, zuul_ref=ref).refs
    assert source.ref == other


def test_refs_that_are_not_the_mergers_come_from_the_origin() -> None:
    (source,) = plan("q", zuul_ref="refs/changes/01/1/1").refs
    assert source.url == "https://git/q"
    (source,) = plan("p", zuul_ref="refs/changes/01/1/1").refs
    assert source.url == "https://zuul/p/p"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"zuul_url": None}, "ZUUL_REF is set without ZUUL_URL"),
        ({"zuul_newrev": "a" * 40, "zuul_project": None}, "without ZUUL_PROJECT"),
        ({"zuul_newrev": "--upload-pack=x"}, "is no commit"),
        ({"zuul_newrev": "A" * 40}, "is no commit"),
        ({"git_base_url": "ext::sh -c x"}, "GIT_BASE_URL"),
        ({"git_base_url": "ext://sh"}, "ext is not among the protocols"),
        ({"git_base_url": "--upload-pack=x"}, "GIT_BASE_URL"),
        ({"git_base_url": "ssh://-oProxyCommand=x/p"}, "host begins with '-'"),
        ({"zuul_url": "ext::sh -c x"}, "ZUUL_URL"),
        ({"projects": ("../p",)}, "project"),
        ({"projects": ("-p",)}, "project"),
        ({"projects": ("a/.git/b",)}, "project"),
        ({"branch": "--x"}, "branch"),
        ({"zuul_branch": "a..b"}, "branch"),
        ({"project_branches": {"p": "a b"}}, "branch"),
        ({"zuul_ref": "+refs/heads/*:refs/heads/*"}, "ZUUL_REF"),
        ({"zuul_ref": "--upload-pack=x"}, "ZUUL_REF"),
        ({"zuul_ref": "a:b"}, "ZUUL_REF"),
    ],
)
def test_what_git_shall_not_see(more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CloneError, match=complaint):
        check_request(request(**more))


@pytest.mark.parametrize(
    "url", ["https://h/p", "git://h", "/srv/git", "file:///srv/git", "git@h:p", "ssh://u@h:29418"]
)
def test_urls_that_git_knows(url: str) -> None:
    check_request(request(git_base_url=url, zuul_url=url))
