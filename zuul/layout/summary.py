"""A Layout in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zuul.model.job import JobNode
from zuul.model.layout import Layout, PipelineConfig

_MANY = 4


def summarize_layout(layout: Layout) -> Iterator[str]:
    """Lines: the sizes, then every pipeline with its shared queues and its projects' trees."""
    yield (
        f"{len(layout.pipelines)} pipelines, {len(layout.projects)} projects,"
        f" {len(layout.jobs)} jobs"
    )
    for pipeline in layout.pipelines:
        yield ""
        yield from _pipeline(pipeline)


def _pipeline(pipeline: PipelineConfig) -> Iterator[str]:
    yield (
        f"{pipeline.name}: {pipeline.manager.name.lower()},"
        f" precedence {pipeline.precedence.name.lower()}, {len(pipeline.trees)} projects"
    )
    for queue in pipeline.queues:
        if len(queue.projects) > 1:
            shown = ", ".join(queue.projects[:_MANY])
            more = len(queue.projects) - _MANY
            yield f"  shared queue of {shown}{f' and {more} more' if more > 0 else ''}"
    for project, tree in sorted(pipeline.trees.items()):
        yield f"  {project}"
        yield from _nodes(tree.nodes, "    ")


def _nodes(nodes: Sequence[JobNode], indent: str) -> Iterator[str]:
    for node in nodes:
        remark = "" if node.job.voting else " (non-voting)"
        yield f"{indent}{node.job.name}{remark}"
        yield from _nodes(node.children, indent + "  ")
