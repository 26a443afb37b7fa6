"""One entry of `pipelines` -> PipelineConfig without its trees: contract zuul.md 2.2."""

from __future__ import annotations

from collections.abc import Mapping

from yaml.nodes import Node

from zuul.layout.approvals import read_requirements
from zuul.layout.context import Context
from zuul.layout.reporters import read_reporters
from zuul.layout.triggers import read_triggers
from zuul.lib.yaml_fields import Fields
from zuul.model.layout import (
    ActionKind,
    Growth,
    Manager,
    PipelineConfig,
    Precedence,
    ReportAction,
    WindowConfig,
)

MERGE_FAILED = (
    "Merge Failed.\n\nThis change or one of its cross-repo dependencies was unable to be"
    " automatically merged with the current state of its repository. Please rebase the change and"
    " upload a new patchset."
)
_DEFAULT = PipelineConfig(name="", manager=Manager.INDEPENDENT)
_MANAGERS = {manager.value: manager for manager in Manager}
_PRECEDENCES = {precedence.name.lower(): precedence for precedence in Precedence}
_GROWTHS = {growth.value: growth for growth in Growth}


def read_pipelines(context: Context, nodes: list[Node]) -> dict[str, PipelineConfig]:
    """By name, in file order; of two with one name the first."""
    pipelines: dict[str, PipelineConfig] = {}
    for node in nodes:
        fields = Fields(context.document, node, "a pipeline, which is a map")
        pipeline = _read_pipeline(context, fields)
        if pipeline.name in pipelines:
            context.document.complain(node, f"another pipeline is named {pipeline.name!r}", "name")
        elif pipeline.name in ("name", "merge-mode", "template"):
            context.document.complain(node, "is a key of projects, not a pipeline's name", "name")
        elif pipeline.name:
            pipelines[pipeline.name] = pipeline
    return pipelines


def _read_pipeline(context: Context, fields: Fields) -> PipelineConfig:
    source = _source(context, fields)
    manager = fields.choice("manager", _MANAGERS, Manager.INDEPENDENT)
    if "manager" not in fields:
        fields.missing("manager")
    pipeline = PipelineConfig(
        name=fields.require_name(),
        manager=manager,
        source=source,
        description=fields.text("description", None),
        precedence=fields.choice("precedence", _PRECEDENCES, Precedence.NORMAL),
        filters=read_triggers(context, fields, source),
        requirements=read_requirements(context, fields),
        actions=_read_actions(context, fields, source),
        success_message=fields.text("success-message", _DEFAULT.success_message),
        failure_message=fields.text("failure-message", _DEFAULT.failure_message),
        merge_failure_message=fields.text("merge-failure-message", MERGE_FAILED),
        footer_message=fields.text("footer-message", ""),
        dequeue_on_new_patchset=fields.flag("dequeue-on-new-patchset", True),
        ignore_dependencies=fields.flag("ignore-dependencies", False),
        disable_after=fields.integer("disable-after-consecutive-failures", None, least=1),
        window=_read_window(fields),
    )
    if pipeline.ignore_dependencies and manager is Manager.DEPENDENT:
        context.document.warn(
            fields.node, "has no effect in a dependent pipeline", "ignore-dependencies"
        )
    fields.finish()
    return pipeline


def _source(context: Context, fields: Fields) -> str:
    source = fields.text("source", "gerrit")
    node = fields.take("source")
    if node is None:
        context.check_connection(source, fields.node, ("gerrit",), "source")
    else:
        context.check_connection(source, node, ("gerrit",))
    return source


def _read_window(fields: Fields) -> WindowConfig:
    default = WindowConfig()
    return WindowConfig(
        start=fields.integer("window", default.start),
        floor=fields.integer("window-floor", default.floor, least=1),
        increase=fields.choice("window-increase-type", _GROWTHS, default.increase),
        increase_factor=fields.integer("window-increase-factor", default.increase_factor, least=1),
        decrease=fields.choice("window-decrease-type", _GROWTHS, default.decrease),
        decrease_factor=fields.integer("window-decrease-factor", default.decrease_factor, least=1),
    )


def _read_actions(
    context: Context, fields: Fields, source: str
) -> Mapping[ActionKind, tuple[ReportAction, ...]]:
    actions: dict[ActionKind, tuple[ReportAction, ...]] = {}
    for kind in ActionKind:
        node = fields.take(kind.value)
        reporters = () if node is None else read_reporters(context, node, source)
        if reporters:
            actions[kind] = reporters
    if ActionKind.MERGE_FAILURE not in actions and ActionKind.FAILURE in actions:
        actions[ActionKind.MERGE_FAILURE] = actions[ActionKind.FAILURE]
    return actions
