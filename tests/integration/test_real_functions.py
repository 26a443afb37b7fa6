"""The OpenStack project's parameter functions, unmodified: what a build is sent after them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.test_real_layouts import layout_of
from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, gate_config, tree
from zuul.core.commands import LaunchBuild
from zuul.core.events import TriggerReceived
from zuul.model.change import Changeish, NullChange, NullKey, Ref, RefKey
from zuul.model.matching import EventFilter
from zuul.model.trigger import TriggerEvent

pytestmark = pytest.mark.integration

NEWREV = "d479a0bfcb34da57a31adb2a595c0cf687812543"
REF = Ref(RefKey("gerrit", "p", "refs/tags/1.0", NEWREV), "0" * 40)
TICK = NullChange(NullKey("gerrit", "p"))


def launch(year: str, job: str, subject: Changeish | None = None) -> LaunchBuild:
    """The one build of a real job, for an approved change 12345,3 or another subject."""
    everywhere = replace(layout_of(year).jobs[job], branches=(), files=(), skip_if=())
    jobs = tree(everywhere)
    if subject is None:
        gate = Gate(gate_config({"p": jobs}))
        gate.approve(make_change(12345, patchset=3))
    else:
        name = "release" if isinstance(subject, Ref) else "periodic"
        wanted = (EventFilter("gerrit", frozenset({"ref-updated"})),)
        gate = Gate(check_config({"p": jobs}, name=name, filters=wanted))
        event = TriggerEvent("gerrit", "ref-updated", project="p", forced_pipeline=name)
        gate.send(TriggerReceived(event, subject))
    (found,) = gate.builds.values()
    assert not gate.watcher.of("problem")
    return found


def paths(build: LaunchBuild) -> tuple[str | None, str | None]:
    """BASE_LOG_PATH and LOG_PATH, the build's own id as UUID."""
    assert re.fullmatch("[0-9a-f]{32}", build.build)
    path = build.parameters["LOG_PATH"]
    assert path is not None
    return build.parameters["BASE_LOG_PATH"], path.replace(build.build[:7], "UUID")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (None, "45/12345/3/gate"),
        (REF, f"d4/{NEWREV}/release"),
        (TICK, "periodic"),
    ],
)
def test_2013(subject: Changeish | None, expected: str) -> None:
    build = launch("openstack-2013", "nova-coverage", subject)
    assert paths(build) == (expected, f"{expected}/nova-coverage/UUID")
    assert "OFFLINE_NODE_WHEN_COMPLETE" not in build.parameters
    build = launch("openstack-2013", "gate-tempest-devstack-vm-full", subject)
    assert paths(build) == (expected, f"{expected}/gate-tempest-devstack-vm-full/UUID")
    assert build.parameters["OFFLINE_NODE_WHEN_COMPLETE"] == "1"
    assert build.function == "build:gate-tempest-devstack-vm-full"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (None, "45/12345/3/gate/"),
        (REF, f"d4/{NEWREV}/release/"),
        (TICK, "periodic/"),
    ],
)
def test_2016(subject: Changeish | None, expected: str) -> None:
    build = launch("openstack-2016", "nova-docs", subject)
    assert paths(build) == (expected, f"{expected}nova-docs/UUID/")
    assert build.parameters["OFFLINE_NODE_WHEN_COMPLETE"] == "1"
    assert build.parameters["JOB_TAGS"] == ""
    passed: Any = build.parameters["TOX_TESTENV_PASSENV"]
    assert set(passed.split()) == {name for name in build.parameters if name.startswith("ZUUL_")}


@pytest.mark.parametrize(
    "job", ["nova-propose-translation-update", "cliff-pypi-both-upload", "hook-astara-rtfd"]
)
def test_2016_nodes_that_are_used_again(job: str) -> None:
    assert "OFFLINE_NODE_WHEN_COMPLETE" not in launch("openstack-2016", job).parameters


def test_082_tags_of_2016() -> None:
    tagged = next(job for job in layout_of("openstack-2016").jobs.values() if len(job.tags) > 0)
    build = launch("openstack-2016", tagged.name)
    assert build.parameters["JOB_TAGS"] == " ".join(sorted(tagged.tags)) != ""
