"""Names of a layout, for people who mistype them."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from zuul.model.layout import Layout

#: as many names are listed in full; of more, those that look alike
MOST_LISTED = 20
MOST_ALIKE = 5


class Names:
    """What pipelines, projects and triggers a layout has."""

    def __init__(self, layout: Layout) -> None:
        self.sources = {pipeline.name: pipeline.source for pipeline in layout.pipelines}
        self.projects = frozenset(layout.projects)
        #: in use by some pipeline
        self.triggers = frozenset(
            wanted.trigger for pipeline in layout.pipelines for wanted in pipeline.filters
        )

    def problems(
        self, *, trigger: str | None = None, project: str | None = None, pipeline: str | None = None
    ) -> list[str]:
        """A line `Invalid pipeline: X` for each that is unknown (contract zuul.md 5.7), and after
        it one with the names that are."""
        found: list[str] = []
        for kind, name, known in (
            ("trigger", trigger, self.triggers),
            ("project", project, self.projects),
            ("pipeline", pipeline, self.sources),
        ):
            if name is not None and name not in known:
                found += [f"Invalid {kind}: {name}", f"known {kind}s: {suggest(name, known)}"]
        return found


def suggest(name: str, known: Collection[str]) -> str:
    """All names if they are few, else those that look like `name`."""
    if len(known) <= MOST_LISTED:
        return ", ".join(sorted(known)) or "none"
    alike = get_close_matches(name, sorted(known), MOST_ALIKE, 0.5)
    more = len(known) - len(alike)
    return ", ".join([*alike, f"{more} others" if alike else f"{more}, none of them alike"])
