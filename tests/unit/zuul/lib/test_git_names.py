"""Names from outside: what passes is harmless as data, what does not is named."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.git_names import (
    check_branch,
    check_project,
    check_refspec,
    check_url,
    check_zuul_ref,
    names_fixed_commit,
)
from zuul.merger.failures import RequestInvalid


@pytest.mark.parametrize(
    "name", ["org/project", "a b", "quo'te\"d", "ünï/cødé", "x;y$(z)`w`", "v1..2", "p.git", "a#"]
)
def test_projects_that_pass(name: str) -> None:
    assert check_project(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "-rf",
        "a/-x",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x1b[1m",
        "\ud800",
        ".ssh_wrapper_gerrit",
        "a/.git/hooks",
        "a/.GIT",
        "a/.git.new-1",
        "x" * 300,
        "a/" * 600 + "a",
    ],
)
def test_projects_that_do_not(name: str) -> None:
    with pytest.raises(RequestInvalid, match=r"^field: "):
        check_project(name, "field")


@pytest.mark.parametrize("name", ["master", "stable/1.0", 'a"b;c', "ünï", "@x", "a'$(b)"])
def test_branches_that_pass(name: str) -> None:
    assert check_branch(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "-x", "a b", "a..b", "a:b", "a^", "a~1", "a*", "a?", "a[b", "a@{1}", "@", "a.lock"),
        *("a.lock/b", ".a", "a/.b", "a.", "a/", "/a", "a//b", "a\\b", "a\tb", "a/-b"),
    ],
)
def test_branches_that_do_not(name: str) -> None:
    with pytest.raises(RequestInvalid):
        check_branch(name)


def test_refspec_is_one_full_ref() -> None:
    assert check_refspec("refs/changes/45/12345/3") == "refs/changes/45/12345/3"
    for wrong in ("master", "refs/heads/*", "+refs/heads/a", "refs/a:refs/b", "refs/../x"):
        with pytest.raises(RequestInvalid):
            check_refspec(wrong)


def test_zuul_ref() -> None:
    assert check_zuul_ref("Z" + "0" * 32)
    for wrong in ("", "Z", "X" + "0" * 32, "Z/..", "Z0\n", "Z" + "0" * 99):
        with pytest.raises(RequestInvalid):
            check_zuul_ref(wrong)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://u@review.example.com:29418/org/project",
        "https://example.com/p",
        "u@example.com:org/project",
        "git://example.com/p",
    ],
)
def test_urls_that_pass(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c id",
        "file:///etc",
        "/etc",
        "fd::7",
        "ssh://-oProxyCommand=id/x",
        "ssh://u@-oProxyCommand=id/x",
        "-u@example.com:x",
        "u@-example.com:x",
        "--upload-pack=id",
        "https://example.com/p\nx",
        "relative/path",
    ],
)
def test_urls_that_do_not(url: str) -> None:
    with pytest.raises(RequestInvalid):
        check_url(url)


def test_only_patch_sets_are_fixed() -> None:
    assert names_fixed_commit("refs/changes/45/12345/3")
    assert not names_fixed_commit("refs/changes/45/12345/meta")
    assert not names_fixed_commit("refs/heads/master")


@given(st.text(max_size=60))
def test_whatever_passes_stays_below_git_dir(name: str) -> None:
    try:
        check_project(name)
    except RequestInvalid:
        return
    path = posixpath.normpath(posixpath.join("/git_dir", name))
    assert path == f"/git_dir/{name}"
    assert not name.startswith("-")
