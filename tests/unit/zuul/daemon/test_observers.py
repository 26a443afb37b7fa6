"""What the log and statsd are told of the core."""

import inspect
import logging

import pytest

from zuul.core.ports import Observer
from zuul.daemon.observers import HOOKS, LogObserver, Observers, SilentObserver, StatsObserver
from zuul.lib.stats import Stats
from zuul.model.change import Change, ChangeKey, NullChange, NullKey, Ref, RefKey
from zuul.model.trigger import TriggerEvent

CHANGE = Change(ChangeKey("gerrit", "1", "2"), "org/my.project", "master", "refs/changes/01/1/2")
REF = Ref(RefKey("gerrit", "org/project", "refs/heads/master", "a" * 40), "b" * 40)
TICK = NullChange(NullKey("gerrit", "org/project"))


def test_the_hooks_are_those_of_the_core():
    assert set(HOOKS) == {name for name in vars(Observer) if not name.startswith("_")}
    for hook in HOOKS:
        theirs = inspect.signature(getattr(Observer, hook))
        assert inspect.signature(getattr(SilentObserver, hook)) == theirs
        assert inspect.signature(getattr(LogObserver, hook)) == theirs
        assert inspect.signature(getattr(StatsObserver, hook)) == theirs


class TestObservers:
    def test_everybody_is_told_in_order(self):
        heard: list[str] = []

        class One(SilentObserver):
            def alarm(self, pipeline: str, queue: str, text: str) -> None:
                heard.append(f"one {text}")

        class Two(SilentObserver):
            def alarm(self, pipeline: str, queue: str, text: str) -> None:
                heard.append(f"two {text}")

            def problem(self, where: str, text: str) -> None:
                heard.append(f"two {where}")

        observers = Observers(One(), Two())
        observers.alarm("gate", "q", "a")
        observers.problem("here", "b")
        observers.window_changed("gate", "q", 20)
        assert heard == ["one a", "two a", "two here"]


class TestLog:
    @pytest.fixture
    def said(self, caplog):
        caplog.set_level(logging.DEBUG, "zuul.Scheduler")

        def said() -> list[tuple[str, str, str]]:
            return [
                (record.levelname, record.action, record.getMessage()) for record in caplog.records
            ]

        return said

    def test_an_items_life(self, said):
        log = LogObserver()
        log.item_enqueued("gate", "i1", CHANGE, True)
        log.merge_completed("gate", "i1", CHANGE, False, "conflict in a b")
        log.item_reset("gate", "i1", CHANGE, "the item ahead failed")
        log.item_reported("gate", "i1", CHANGE, "failure", True)
        log.item_reported("gate", "i1", CHANGE, "failure", False)
        log.item_dequeued("gate", "i1", CHANGE, True, 12.345, "merged")
        about = "pipeline=gate change=1,2 item=i1 project=org/my.project"
        assert said() == [
            ("INFO", "item_enqueued", f"Item enqueued {about} live=True"),
            ("INFO", "merge_completed", f'Merge failed {about} reason="conflict in a b"'),
            ("INFO", "item_reset", f'Item starts again {about} reason="the item ahead failed"'),
            ("INFO", "item_reported", f"Item reported {about} report=failure"),
            ("WARNING", "item_reported", f"Item not reported {about} report=failure"),
            (
                "INFO",
                "item_dequeued",
                f"Item dequeued {about} live=True seconds=12.3 reason=merged",
            ),
        ]

    def test_a_builds_life(self, said):
        log = LogObserver()
        log.build_launched("gate", "i1", CHANGE, "b1", "unit")
        log.build_started(
            "gate", "i1", CHANGE, "b1", "unit", wait=1.5, node_labels=("precise",), node_name="n7"
        )
        log.build_completed("gate", "i1", CHANGE, "b1", "unit", result=None, duration=None)
        log.build_completed("gate", "i1", CHANGE, "b1", "unit", result="SUCCESS", duration=2.0)
        about = "pipeline=gate change=1,2 item=i1 project=org/my.project build=b1 job=unit"
        assert [message for _, _, message in said()] == [
            f"Build launched {about}",
            f"Build started {about} node=n7 waited=1.5",
            f"Build got lost {about}",
            f"Build completed {about} result=SUCCESS seconds=2.0",
        ]

    def test_other_hooks(self, said):
        log = LogObserver()
        log.event_received(TriggerEvent("gerrit", "comment-added", "p", number="1", patchset="2"))
        log.enqueue_refused("gate", TICK, "no jobs")
        log.merge_completed("post", "i", REF, True, None)
        log.window_changed("gate", "integrated", 20)
        log.pipeline_disabled("check", 3)
        log.alarm("gate", "integrated", "trees differ")
        log.problem("a function", "x\ny")
        log.reconfigured(("check", "gate"))
        assert said() == [
            (
                "DEBUG",
                "event_received",
                "Event received change=1,2 connection=gerrit type=comment-added project=p",
            ),
            (
                "INFO",
                "enqueue_refused",
                'Change not enqueued pipeline=gate project=org/project reason="no jobs"',
            ),
            (
                "INFO",
                "merge_completed",
                f"Merge done pipeline=post change={'a' * 40} item=i project=org/project",
            ),
            ("INFO", "window_changed", "Window changed pipeline=gate queue=integrated window=20"),
            (
                "WARNING",
                "pipeline_disabled",
                "Pipeline disabled after failures in a row pipeline=check failures=3",
            ),
            (
                "CRITICAL",
                "alarm",
                "The queue has stopped, someone must look "
                'pipeline=gate queue=integrated reason="trees differ"',
            ),
            ("ERROR", "problem", 'Something went wrong where="a function" reason=x\\ny'),
            ("INFO", "reconfigured", "Layout loaded pipelines=check,gate"),
        ]


class FakeStats(Stats):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def incr(self, key: str, count: int = 1) -> None:
        self.sent.append(f"{key}:{count}|c")

    def gauge(self, key: str, value: float) -> None:
        self.sent.append(f"{key}:{value}|g")

    def timing(self, key: str, milliseconds: float) -> None:
        self.sent.append(f"{key}:{milliseconds}|ms")


class TestStats:
    @pytest.fixture
    def stats(self):
        return FakeStats()

    @pytest.fixture
    def observer(self, stats):
        return StatsObserver(stats)

    def test_events(self, stats, observer):
        observer.event_received(TriggerEvent("gerrit", "comment-added"))
        observer.event_received(TriggerEvent("timer", "timer"))
        observer.event_received(TriggerEvent("gerrit", "odd:1|c\n"))
        assert stats.sent == [
            "gerrit.event.comment-added:1|c",
            "gerrit.event.timer:1|c",
            "gerrit.event.odd_1_c_:1|c",
        ]

    def test_changes(self, stats, observer):
        observer.current_changes("gate", 7)
        observer.item_dequeued("gate", "i", CHANGE, True, 1.5, "merged")
        assert stats.sent == [
            "zuul.pipeline.gate.current_changes:7|g",
            "zuul.pipeline.gate.resident_time:1500|ms",
            "zuul.pipeline.gate.total_changes:1|c",
            "zuul.pipeline.gate.org.my.project.resident_time:1500|ms",
            "zuul.pipeline.gate.org.my.project.total_changes:1|c",
        ]

    def test_a_build_that_waited(self, stats, observer):
        observer.build_started(
            "gate",
            "i",
            CHANGE,
            "b",
            "gate-python2.7",
            wait=3.0,
            node_labels=("precise", "n7"),
            node_name="n7",
        )
        assert stats.sent == [
            "zuul.pipeline.gate.job.gate-python2_7.wait_time:3000|ms",
            "zuul.pipeline.gate.label.precise.wait_time:3000|ms",
        ]

    @pytest.mark.parametrize("result", ["SUCCESS", "FAILURE"])
    def test_a_build_that_ran(self, stats, observer, result):
        observer.build_completed("gate", "i", CHANGE, "b", "unit", result=result, duration=2.0)
        assert stats.sent == [
            "zuul.pipeline.gate.all_jobs:1|c",
            f"zuul.pipeline.gate.job.unit.{result}:2000|ms",
            f"zuul.pipeline.gate.job.unit.{result}:1|c",
        ]

    @pytest.mark.parametrize(
        ("result", "duration", "word"),
        [("SUCCESS", None, "SUCCESS"), ("ABORTED", 2.0, "ABORTED"), (None, 2.0, "None")],
    )
    def test_a_build_without_a_time_of_its_own(self, stats, observer, result, duration, word):
        observer.build_completed("gate", "i", CHANGE, "b", "unit", result=result, duration=duration)
        assert stats.sent == [
            "zuul.pipeline.gate.all_jobs:1|c",
            f"zuul.pipeline.gate.job.unit.{word}:1|c",
        ]
