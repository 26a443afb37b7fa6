"""Drivers whose workers and mergers talk nonsense: each command is answered, and once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.test_messages import MERGED, REPORT
from tests.support.mutations import FUZZ, spoiled
from tests.unit.zuul.drivers.gearman.merges_bench import Bench as MergeBench
from tests.unit.zuul.drivers.gearman.merges_bench import answer, item
from tests.unit.zuul.drivers.gearman.test_builds import Bench as BuildBench
from zuul.core.commands import MergeChanges
from zuul.core.events import BuildCompleted, MergeCompleted
from zuul.lib.gearman import ClientJob, Outcome
from zuul.model.layout import Precedence

packets = st.one_of(
    st.binary(max_size=20), spoiled([REPORT]), st.just(json.dumps(REPORT).encode()), st.just(b"{}")
)
answers = st.one_of(st.binary(max_size=20), spoiled([MERGED]))


@FUZZ
@given(st.lists(packets, max_size=5), st.sampled_from(Outcome), packets)
def test_a_build_ends_once(news: list[bytes], outcome: Outcome, last: bytes) -> None:
    bench = BuildBench()
    other, job = bench.launch("u2"), bench.launch("u1")
    for each in (other, job):
        bench.client.create(each)
    for data in news:
        job.listener.job_data(job, data)
        job.listener.job_status(job)
    bench.client.end(job, outcome, last)
    ended = [event for event in bench.events if type(event) is BuildCompleted]
    assert [event.build for event in ended] == ["u1"]
    assert bench.builds.running == 1
    # The build beside it has heard nothing of all that.
    other.listener.job_data(other, json.dumps(REPORT).encode())
    bench.client.end(other, data=b'{"result": "SUCCESS"}')
    assert bench.ended()[-1] == ("u2", "SUCCESS")


@FUZZ
@given(answers)
def test_a_merge_is_answered_once_and_those_behind_go_on(data: bytes) -> None:
    bench = MergeBench()
    first = item(1)
    second = item(2, first)
    for each in (first, second):
        bench.merges.merge(MergeChanges(each.request, each, Precedence.NORMAL))
    for _ in range(20):
        waiting = [job for job in bench.client.open if job.key == "r1"]
        if not waiting:
            break
        bench.client.end(waiting[0], data=data)
        bench.tick(1000.0)
    end_all(bench, "r2")
    completed = [event for event in bench.events if type(event) is MergeCompleted]
    assert [event.request for event in completed] == ["r1", "r2"]
    result = completed[0].result
    assert result.merged is False or len(result.commit or "") in (40, 64)
    # What is behind a conflict shares it; all else is merged without the first's answer.
    assert completed[1].result.merged is (result.conflict is None)


def end_all(bench: Any, key: str) -> None:
    for _ in range(5):
        jobs: list[ClientJob] = [job for job in bench.client.open if job.key == key]
        if jobs:
            bench.client.end(jobs[0], data=answer())
        bench.tick(1000.0)
