"""The layouts between which a simulation is reconfigured; the first is the one it starts with."""

from __future__ import annotations

from tests.support.layouts import job, load_layout, pipeline, project, without_pipeline
from tests.support.layouts import without_project as foreign

PROJECTS = ("one", "two", "three", "four")

_OVERHEARD = (
    pipeline(
        "echo",
        manager="IndependentPipelineManager",
        trigger={"zuul": [{"event": "parent-change-enqueued", "pipeline": ["gate", "check"]}]},
        success={"gerrit": {}},
    ),
    pipeline(
        "merge-check",
        manager="IndependentPipelineManager",
        ignore_dependencies=True,
        trigger={"zuul": [{"event": "project-change-merged"}]},
        merge_failure={"gerrit": {}},
    ),
    project("one", echo=["one-unit"], **{"merge-check": ["noop"]}),
    project("two", echo=["two-unit"], **{"merge-check": ["shared"]}),
)

LAYOUTS = (
    load_layout("simulation"),
    # a job more, a job less
    load_layout("simulation", project("three", gate=["flaky", "style", "three-new"])),
    load_layout("simulation", project("two", gate=["two-unit"], check=["shared"])),
    # what votes, and what holds
    load_layout("simulation", job("one-unit", voting=False), job("style", voting=True)),
    load_layout("simulation", job("^.*-merge$", hold_following_changes=False)),
    # shared queues are joined, and parted
    load_layout("simulation", project("three", gate=["flaky", "shared"])),
    load_layout("simulation", project("one", gate=["one-unit"], check=["one-unit"])),
    # projects and pipelines go, and come back
    load_layout("simulation", foreign("one")),
    load_layout("simulation", project("two", gate=None)),
    load_layout("simulation", without_pipeline("check")),
    load_layout("simulation", without_pipeline("gate")),
    # what the gate itself does is heard
    *(load_layout("simulation", *_OVERHEARD) for _ in range(3)),
    # windows
    load_layout("simulation", pipeline("gate", window=1, window_floor=1)),
    load_layout("simulation", pipeline("gate", window=0)),
)
