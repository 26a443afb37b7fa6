"""What to check out of a project: which refs are tried, in which order (contract zuul.md 11.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zuul.errors import CloneError, RequestInvalid
from zuul.lib.git_names import check_branch, check_project, check_url

MASTER = "master"
#: where a job's repositories may come from
PROTOCOLS = frozenset({"ssh", "https", "http", "git", "file"})
_ZUUL_REFS = "refs/zuul/"


@dataclass(frozen=True, slots=True)
class CloneRequest:
    """What the job, its environment and its author say."""

    #: base of the URLs of all projects
    git_base_url: str
    projects: tuple[str, ...]
    #: ZUUL_URL: base of the URLs of what the merger made
    zuul_url: str | None = None
    zuul_project: str | None = None
    zuul_branch: str | None = None
    zuul_ref: str | None = None
    zuul_newrev: str | None = None
    #: the branch to test with, instead of ZUUL_BRANCH
    branch: str | None = None
    #: the same by project
    project_branches: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefSource:
    """A ref to try, and where it would be."""

    url: str
    ref: str


@dataclass(frozen=True, slots=True)
class CheckoutPlan:
    """Of one project: the refs in turn, then the branches in turn."""

    #: exactly this commit, which the first ref leads to; nothing else will do
    revision: str | None
    refs: tuple[RefSource, ...]
    #: the first that the origin has; after them its default branch
    branches: tuple[str, ...]
    #: the first ref holds the very change that is tested: without it there is nothing to test
    first_is_required: bool = False


def check_request(request: CloneRequest) -> None:
    """Raises CloneError for a name or URL that git shall not see, and for what does not fit."""
    if request.zuul_ref and not request.zuul_url:
        raise CloneError("ZUUL_REF is set without ZUUL_URL")
    if request.zuul_newrev and not request.zuul_project:
        raise CloneError("ZUUL_NEWREV is set without ZUUL_PROJECT")
    try:
        # with a path, as git://git.example.org alone is a base and no URL
        check_url(join_url(request.git_base_url, "p"), PROTOCOLS, "GIT_BASE_URL")
        if request.zuul_url:
            check_url(join_url(request.zuul_url, "p"), PROTOCOLS, "ZUUL_URL")
        for project in request.projects:
            check_project(project)
        for branch in (request.branch, request.zuul_branch, *request.project_branches.values()):
            if branch:
                check_branch(branch)
        if request.zuul_ref:
            check_branch(request.zuul_ref, "ZUUL_REF")
    except RequestInvalid as error:
        raise CloneError(str(error)) from error
    newrev = request.zuul_newrev or ""
    if newrev and (len(newrev) not in (40, 64) or set(newrev) - set("0123456789abcdef")):
        raise CloneError(f"ZUUL_NEWREV: {newrev[:80]!r} is no commit")


def origin_of(request: CloneRequest, project: str) -> str:
    """The merger's clone is up to date even if mirrors are not."""
    if request.zuul_url and project == request.zuul_project:
        return join_url(request.zuul_url, project)
    return join_url(request.git_base_url, project)


def join_url(base: str, project: str) -> str:
    return f"{base.rstrip('/')}/{project}"


def plan_checkout(request: CloneRequest, project: str, has_wanted: bool) -> CheckoutPlan:
    """`has_wanted`: whether the repository has the branch of `wanted_branch`."""
    wanted = wanted_branch(request, project)
    if request.zuul_newrev and project == request.zuul_project:
        assert request.zuul_project is not None
        refs: tuple[RefSource, ...] = ()
        if request.zuul_ref:
            refs = (_source(request, project, request.zuul_ref),)
        return CheckoutPlan(request.zuul_newrev, refs, ())
    fallback = wanted if wanted is not None and has_wanted else MASTER
    branches = (fallback,)
    if not request.zuul_ref or not request.zuul_branch:
        return CheckoutPlan(None, (), branches)
    named = [
        _replace_branch(request.zuul_ref, request.zuul_branch, branch)
        for branch in (wanted, fallback)
        if branch is not None
    ]
    return CheckoutPlan(
        None,
        tuple(_source(request, project, ref) for ref in dict.fromkeys(named)),
        branches,
        first_is_required=project == request.zuul_project and wanted == request.zuul_branch,
    )


def wanted_branch(request: CloneRequest, project: str) -> str | None:
    return request.project_branches.get(project) or request.branch or request.zuul_branch


def _source(request: CloneRequest, project: str, ref: str) -> RefSource:
    is_mergers = ref.startswith(_ZUUL_REFS) or project == request.zuul_project
    base = request.zuul_url if is_mergers else request.git_base_url
    assert base, "a ref comes with its URL"
    return RefSource(join_url(base, project), ref)


def _replace_branch(ref: str, branch: str, wanted: str) -> str:
    """The same ref of another branch: refs/zuul/BRANCH/Z..., or the branch itself."""
    for prefix in (_ZUUL_REFS, "refs/heads/", ""):
        if ref.startswith(prefix):
            rest = ref[len(prefix) :]
            if rest == branch or rest.startswith(f"{branch}/"):
                return f"{prefix}{wanted}{rest[len(branch) :]}"
    return ref
