"""Hypothesis: layouts that load, as the plain data that YAML is made from, and junk."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PIPELINES = ("check", "gate", "post")
JOBS = ("a", "b", "merge", "unit-1", "gate-x-docs", "gate-y-docs", "prüf", "noop")
MANAGERS = ("IndependentPipelineManager", "DependentPipelineManager")

#: a tree of jobs as written: names and maps of one or more parents
trees = st.recursive(
    st.lists(st.sampled_from(JOBS), max_size=4),
    lambda below: st.lists(
        st.one_of(
            st.sampled_from(JOBS),
            st.dictionaries(st.sampled_from(JOBS), below, min_size=1, max_size=2),
        ),
        max_size=3,
    ),
    max_leaves=6,
)


def some(mapping: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps with any of the keys."""
    return st.fixed_dictionaries({}, optional=mapping)


def one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


expressions = st.sampled_from(["master", "^stable/.*$", "^(?!x).*$", "(?i)recheck", "^a|b$"])
labels = st.sampled_from(["verified", "Code Review", "workflow"])
votes = st.integers(-2, 2)
intervals = st.builds("{}{}".format, st.integers(1, 99), st.sampled_from("smhdw"))

approvals = st.builds(
    lambda rule, wanted: rule | wanted,
    some({"username": expressions, "email": expressions, "newer-than": intervals}),
    st.dictionaries(labels, one_or_more(votes), max_size=2),
)
gerrit_filters = st.builds(
    lambda event, keys: {"event": event} | keys,
    one_or_more(st.sampled_from(["patchset-created", "comment-added", "change-merged"])),
    some(
        {
            "branch": one_or_more(expressions),
            "comment": one_or_more(expressions),
            "username": expressions,
            "approval": st.lists(st.dictionaries(labels, votes, min_size=1), max_size=2),
            "require-approval": st.lists(approvals, max_size=2),
            "ignore-deletes": st.booleans(),
        }
    ),
)
triggers = some(
    {
        "gerrit": one_or_more(gerrit_filters),
        "timer": st.just([{"time": "0 6 * * *"}]),
        "zuul": st.just([{"event": "project-change-merged"}]),
    }
)
actions = some(
    {
        "gerrit": st.dictionaries(labels, votes, max_size=2),
        "smtp": some({"to": st.just("a@example.org"), "subject": st.just("{change}")}),
    }
)
pipeline_keys = some(
    {
        "precedence": st.sampled_from(["low", "normal", "high"]),
        "success": actions,
        "failure": actions,
        "merge-failure": actions,
        "require": some({"open": st.booleans(), "approval": st.lists(approvals, max_size=2)}),
        "reject": some({"approval": st.lists(approvals, max_size=2)}),
        "window": st.integers(0, 30),
        "window-floor": st.integers(1, 5),
        "footer-message": st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
        "dequeue-on-new-patchset": st.booleans(),
        "disable-after-consecutive-failures": st.integers(1, 9),
    }
)
job_keys = some(
    {
        "branch": one_or_more(expressions),
        "files": one_or_more(expressions),
        "voting": st.booleans(),
        "hold-following-changes": st.booleans(),
        "attempts": st.integers(1, 5),
        "mutex": st.sampled_from(["m", "n"]),
        "tags": one_or_more(st.sampled_from(["s", "t"])),
        "skip-if": st.lists(some({"project": expressions, "branch": expressions}), max_size=2),
        "swift": one_or_more(st.just({"name": "logs", "container": "c"})),
        "success-message": st.just("well"),
        "failure-pattern": st.just("http://{build.uuid}"),
    }
)
job_names = st.sampled_from([*JOBS, "^.*$", "^gate-.*-docs$", "^unit-[0-9]"])
project_names = st.sampled_from(["org/p", "org/q", "top", "deep/er/still", "org/größe"])


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """A layout with up to three pipelines, as plain data; it loads."""
    pipelines = [
        {"name": name, "manager": draw(st.sampled_from(MANAGERS)), "trigger": draw(triggers)}
        | draw(pipeline_keys)
        for name in draw(st.lists(st.sampled_from(PIPELINES), unique=True))
    ]
    names = [pipeline["name"] for pipeline in pipelines]
    jobs = [
        {"name": name} | draw(job_keys)
        for name in draw(st.lists(job_names, unique=True, max_size=5))
    ]
    templates = [
        {"name": name, **{each: ["{name}-job", {"{name}-x": ["unit-{n}"]}] for each in names}}
        for name in draw(st.lists(st.sampled_from(["t", "u"]), unique=True))
        if names
    ]
    projects = []
    for name in draw(st.lists(project_names, unique=True)):
        used = draw(st.lists(st.sampled_from(templates), max_size=2)) if templates else []
        project: dict[str, Any] = {"name": name}
        if used:
            project["template"] = [{"name": each["name"], "n": "7"} for each in used]
        projects.append(project | draw(some(dict.fromkeys(names, trees))))
    return {
        "pipelines": pipelines,
        "jobs": jobs,
        "project-templates": templates,
        "projects": projects,
    }


words = st.sampled_from(
    [
        *("name", "check", "gate", "manager", "trigger", "gerrit", "event", "template", "success"),
        *("branch", "files", "skip-if", "swift", "voting", "{name}", "{", "^(", "^a", "noop", ""),
        *("pipelines", "jobs", "projects", "project-templates", "includes", "python-file"),
        *(MANAGERS[0], "patchset-created", "ref-updated", "timer", "zuul", "time", "approval"),
    ]
)
#: what YAML can say
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words, st.dates()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(words, st.integers()), inner)
    ),
    max_leaves=20,
)
#: what looks a little like YAML
noise = st.text(alphabet="ab:-?[]{}&*!|>'\"%@`,#\n\t 01~<=", max_size=60)


@st.composite
def broken_layouts(draw: st.DrawFn) -> Any:
    """A layout in which one value, anywhere, is replaced by junk."""
    layout = draw(layouts())
    place: Any = layout
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return layout
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(junk)
            return layout
        place = place[key]
