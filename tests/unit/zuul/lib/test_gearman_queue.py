"""The order of jobs, and what it costs to find one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.gearman.queue import Job, JobQueue, Priority, QueueTotals


def submit(queue: JobQueue, function: bytes, priority: Priority = Priority.NORMAL) -> Job:
    return queue.submit(function, b"", b"args", priority, client=1)


def test_priorities_then_order_of_submission_across_functions() -> None:
    queue = JobQueue(b"H:")
    low = submit(queue, b"a", Priority.LOW)
    second = submit(queue, b"b")
    third = submit(queue, b"a")
    first = submit(queue, b"a", Priority.HIGH)
    taken = []
    while job := queue.first_for({b"b": 0, b"a": 0}):
        queue.assign(job, 2)
        taken.append(job)
    assert taken == [first, second, third, low]


def test_equal_uniques_are_two_jobs() -> None:
    queue = JobQueue(b"H:")
    one = queue.submit(b"f", b"same", b"", Priority.NORMAL, 1)
    two = queue.submit(b"f", b"same", b"", Priority.NORMAL, 1)
    assert one.handle != two.handle
    assert len(queue) == 2


def test_counts_follow_a_job_to_its_end() -> None:
    queue = JobQueue(b"H:")
    job = submit(queue, b"f")
    submit(queue, b"f")
    assert queue.totals == QueueTotals(2, 0, 2)
    queue.assign(job, 2)
    assert queue.totals == QueueTotals(2, 1, 1)
    assert dict(queue.functions()) == {b"f": (2, 1)}
    queue.remove(job)
    assert queue.totals == QueueTotals(1, 0, 1)
    assert queue.argument_bytes == len(b"args")
    assert queue.find(job.handle) is None


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from(list(Priority))),
        max_size=60,
    ),
    st.lists(st.tuples(st.sets(st.sampled_from([b"a", b"b", b"c", b"d"])), st.booleans())),
)
def test_same_choice_as_a_scan_of_the_whole_line(
    submissions: list[tuple[bytes, Priority]], grabs: list[tuple[set[bytes], bool]]
) -> None:
    queue = JobQueue(b"H:")
    waiting = [submit(queue, function, priority) for function, priority in submissions]
    for functions, cancel in grabs:
        suited = [job for job in waiting if job.function in functions]
        wanted = min(suited, key=lambda job: (job.priority, job.number), default=None)
        found = queue.first_for(functions)
        assert found is wanted
        if found is not None:
            waiting.remove(found)
            if cancel:
                queue.remove(found)
            else:
                queue.assign(found, 2)


class CountingNames(frozenset[bytes]):
    """Counts how often it is asked for a name."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        type(self).asked += 1
        return super().__contains__(name)


def test_jobs_nobody_can_do_cost_the_others_nothing() -> None:
    queue = JobQueue(b"H:")
    for _ in range(10_000):
        submit(queue, b"exhausted")
    wanted = submit(queue, b"live")
    CountingNames.asked = 0
    assert queue.first_for(CountingNames({b"live", b"other"})) is wanted
    assert CountingNames.asked < 30


def test_order_holds_behind_a_long_line_nobody_can_do() -> None:
    queue = JobQueue(b"H:")
    for number in range(50):
        submit(queue, b"exhausted%d" % (number % 5))
    taken = []
    wanted = [submit(queue, function) for function in (b"b", b"a", b"c", b"a", b"b")]
    while job := queue.first_for({b"a": 0, b"b": 0, b"c": 0}):
        queue.assign(job, 2)
        taken.append(job)
    assert taken == wanted
