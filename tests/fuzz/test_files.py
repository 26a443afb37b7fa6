"""Files that people write, damaged: problems with places, or values, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gearman_plugin_shim.config import parse_config as parse_shim
from tests.support.mutations import FUZZ, damaged
from zuul.cloner.clonemap import parse_clonemap
from zuul.config import Program, parse_config
from zuul.errors import CloneError
from zuul.layout.loader import check_text
from zuul.lib.gearman.acl import parse_acl
from zuul.lib.problems import ConfigError

ROOT = Path(__file__).parents[2]


def sample(name: str) -> bytes:
    return (ROOT / name).read_bytes()


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@st.composite
def junk_maps(draw: st.DrawFn) -> bytes:
    """Rules of any expressions and destinations."""
    text = st.one_of(
        st.sampled_from(
            ["(.*)", "^(a+)+$", r"\1", r"\9", "../x", "/etc", ".git", "x/.git/y", "(?P<a>"]
        ),
        st.text(max_size=12),
    )
    rules = draw(st.lists(st.fixed_dictionaries({"name": text, "dest": text}), max_size=3))
    return yaml.safe_dump({"clonemap": rules}, allow_unicode=True).encode()


def is_told(parse: Callable[[], object]) -> None:
    try:
        parse()
    except ConfigError as error:
        assert error.problems
        assert all(problem.text and len(str(problem)) < 20_000 for problem in error.problems)


#: text that YAML or an INI file gives a meaning, between lines of a file that is right
hostile_lines = st.sampled_from(
    [
        *(b"a: &a [*a, *a]", b"<<: *a", b"!!python/object/apply:os.system ['id']", b"- *x"),
        *(b"{" * 200, b"- " * 300, b"? " * 50, b"%YAML 9.9", b"--- !x", b"\xff\xfe", b"\x00"),
        *(b"[DEFAULT]", b"x=%(x)s", b"a=%(b)s\nb=%(a)s", b"ssl_ca=", b"acl=/", b"port=9" * 5),
        *(b"  includes: [{python-file: /etc/passwd}]", b"name: ^(a+)+$", b"branch: (?R)", b"[[["),
    ]
)


def spliced(name: str) -> st.SearchStrategy[bytes]:
    lines = sample(name).splitlines()
    return st.builds(
        lambda at, line: b"\n".join([*lines[:at], line, *lines[at:]]),
        st.integers(0, len(lines)),
        hostile_lines,
    )


@FUZZ
@given(damaged([sample("tests/fixtures/layouts/L0.yaml")]) | spliced("etc/layout.yaml-sample"))
def test_layouts(data: bytes) -> None:
    checked = check_text(as_text(data), "layout.yaml", connections={"gerrit": "gerrit"})
    assert (checked.layout is None) == bool(checked.problems)
    assert all(problem.text for problem in checked.problems)


@FUZZ
@given(damaged([sample("etc/zuul.conf-sample")]) | spliced("etc/zuul.conf-sample"))
@pytest.mark.parametrize("program", Program)
def test_zuul_conf(program: Program, data: bytes) -> None:
    is_told(lambda: parse_config(as_text(data), "zuul.conf", program=program))


@FUZZ
@given(damaged([sample("etc/shim.conf-sample")]) | spliced("etc/shim.conf-sample"))
def test_shim_conf(data: bytes) -> None:
    is_told(lambda: parse_shim(as_text(data), "shim.conf"))


@FUZZ
@given(damaged([sample("etc/gearman-acl.ini-sample")]) | spliced("etc/gearman-acl.ini-sample"))
def test_access_lists(data: bytes) -> None:
    """Nothing that is wrong with a list gives a right to who is not named in it."""
    try:
        acl = parse_acl(as_text(data), "acl.ini")
    except ConfigError as error:
        assert error.problems
    else:
        stranger = acl.rights_of("stranger.example.net")
        for names in (stranger.register, stranger.submit, stranger.cancel):
            assert b"build:unit" not in names and b"zuul:promote" not in names


CLONE_MAP = b"""\
clonemap:
  - name: ^openstack/(.*)$
    dest: src/\\1
  - {name: 'infra/.*', dest: .}
"""
project_names = st.sampled_from(
    ["openstack/nova", "infra/x", "a", "openstack/../../x", "openstack/.git/hooks", "a/b", "-x"]
)


@FUZZ
@given(damaged([CLONE_MAP]) | junk_maps(), st.lists(project_names, max_size=4))
def test_clone_maps(data: bytes, projects: list[str]) -> None:
    """A clone never goes outside the workspace, nor into the own files of another."""
    try:
        places = parse_clonemap(as_text(data), "map.yaml").destinations(projects)
    except ConfigError as error:
        assert error.problems
    except CloneError as error:
        assert 0 < len(str(error)) < 5000
    else:
        assert len(set(places.values())) == len(places)
        for place in places.values():
            parts = PurePosixPath(place).parts
            assert not PurePosixPath(place).is_absolute()
            assert ".." not in parts and ".git" not in parts
