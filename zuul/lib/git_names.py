"""Names that arrive from outside: projects, branches, refs and URLs, checked before git sees them.

Every function returns its argument or raises RequestInvalid, which names the field. What passes
here may still hold quotes, semicolons or any script: it is data, handed over in argument lists.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from zuul.errors import RequestInvalid

MAX_NAME_BYTES = 1024
MAX_COMPONENT_BYTES = 200

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
#: what git-check-ref-format(1) forbids anywhere in a ref
_NOT_IN_REF = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//")
_ZUUL_REF = re.compile(r"Z[0-9A-Za-z]{1,64}")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://([^/]*)(/.*)", re.DOTALL)
_PATCHSET_REF = re.compile(r"refs/changes/\d+/\d+/\d+")

#: no `ext`, `fd` or helpers of remote-*: those run commands
PROTOCOLS = frozenset({"ssh", "https", "http", "git"})


def check_project(name: str, field: str = "project") -> str:
    """A relative path below git_dir that cannot leave it or hide in a clone's own files."""
    _check_text(name, field)
    if "\\" in name:
        raise RequestInvalid(f"{field}: backslash in {name!r}")
    for number, component in enumerate(name.split("/")):
        _check_component(component, name, field)
        if component in (".", "..") or component.casefold().startswith(".git"):
            raise RequestInvalid(f"{field}: {component!r} cannot be part of {name!r}")
        if number == 0 and component.startswith("."):
            raise RequestInvalid(f"{field}: {name!r} begins with a dot")
    return name


def check_branch(name: str, field: str = "branch") -> str:
    """A branch without its `refs/heads/`."""
    _check_text(name, field)
    _check_ref_rules(name, field)
    return name


def check_refspec(name: str, field: str = "refspec") -> str:
    """One full ref at the origin, such as refs/changes/45/12345/3."""
    _check_text(name, field)
    if not name.startswith("refs/"):
        raise RequestInvalid(f"{field}: {name!r} does not begin with refs/")
    _check_ref_rules(name, field)
    return name


def check_zuul_ref(name: str, field: str = "ref") -> str:
    """`Z` and letters or digits, 32 hex digits as a rule."""
    _check_text(name, field)
    if not _ZUUL_REF.fullmatch(name):
        raise RequestInvalid(f"{field}: {name!r} is no name of the form Z0123...")
    return name


def check_url(url: str, protocols: Collection[str] = PROTOCOLS, field: str = "url") -> str:
    """A git URL of one of `protocols`; a path counts as `file`, user@host:path as `ssh`."""
    _check_text(url, field)
    matched = _SCHEME.fullmatch(url)
    if matched:
        scheme, host = matched[1], matched[2]
    elif url.startswith("/"):
        scheme, host = "file", ""
    elif ":" in url.split("/", 1)[0] and "::" not in url:
        scheme, host = "ssh", url.split(":", 1)[0]
    else:
        raise RequestInvalid(f"{field}: {url!r} is no git URL")
    if scheme not in protocols:
        raise RequestInvalid(f"{field}: {scheme} is not among the protocols in use: {url!r}")
    if host.rpartition("@")[2].startswith("-") or host.startswith("-"):
        raise RequestInvalid(f"{field}: host begins with '-': {url!r}")
    return url


def names_fixed_commit(refspec: str) -> bool:
    """True for a patch set's ref: Gerrit never moves one, so it need be fetched once only."""
    return bool(_PATCHSET_REF.fullmatch(refspec))


def _check_text(name: str, field: str) -> None:
    if not name:
        raise RequestInvalid(f"{field}: is empty")
    if _CONTROL.search(name):
        raise RequestInvalid(f"{field}: control character in {name!r}")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise RequestInvalid(f"{field}: longer than {MAX_NAME_BYTES} bytes: {name[:80]!r}...")
    if name.startswith("-"):
        raise RequestInvalid(f"{field}: begins with '-': {name!r}")


def _check_component(component: str, name: str, field: str) -> None:
    if not component:
        raise RequestInvalid(f"{field}: empty part in {name!r}")
    if component.startswith("-"):
        raise RequestInvalid(f"{field}: part begins with '-': {name!r}")
    if len(component.encode()) > MAX_COMPONENT_BYTES:
        raise RequestInvalid(f"{field}: part longer than {MAX_COMPONENT_BYTES} bytes")


def _check_ref_rules(name: str, field: str) -> None:
    found = _NOT_IN_REF.search(name)
    if found:
        raise RequestInvalid(f"{field}: {found[0]!r} cannot be part of a ref: {name!r}")
    if name.endswith(".") or name == "@":
        raise RequestInvalid(f"{field}: {name!r} cannot be a ref")
    for component in name.split("/"):
        _check_component(component, name, field)
        if component.startswith(".") or component.endswith(".lock"):
            raise RequestInvalid(f"{field}: {component!r} cannot be part of a ref: {name!r}")
