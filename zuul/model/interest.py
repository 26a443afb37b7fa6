"""Which events some pipeline may want: asked for every line of a stream, before any query."""

from __future__ import annotations

from dataclasses import replace

from zuul.model.layout import Layout
from zuul.model.matching import ApprovalRules, EventFilter
from zuul.model.trigger import TriggerEvent


class InterestIndex:
    """The filters of one layout by connection and event type. Immutable; any thread.

    What a filter asks of the change's approvals is left out: only a query can tell.
    """

    def __init__(self, layout: Layout) -> None:
        index: dict[tuple[str, str], list[EventFilter]] = {}
        for pipeline in layout.pipelines:
            for each in pipeline.filters:
                bare = replace(each, change_approvals=ApprovalRules())
                for type_ in each.types:
                    known = index.setdefault((each.trigger, type_), [])
                    if bare not in known:
                        known.append(bare)
        self._index = {key: tuple(filters) for key, filters in index.items()}

    def wants(self, event: TriggerEvent) -> bool:
        """Whether a filter may match the event; one that addresses a pipeline is always wanted."""
        if event.forced_pipeline is not None:
            return True
        filters = self._index.get((event.connection, event.type), ())
        return any(each.wants(event) for each in filters)
