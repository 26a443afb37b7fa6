"""Commands reach their drivers, and every one that needs an answer gets one."""

from collections.abc import Callable
from typing import Any

from zuul.core.commands import (
    AnswerRequest,
    CancelBuild,
    Command,
    FindOpenChanges,
    KeepBrakes,
    LaunchBuild,
    MergeChanges,
    SendReport,
    SeriesItem,
    StopProcess,
    TestedState,
    UpdateRepo,
)
from zuul.core.events import Event, MergeCompleted, ReportCompleted, RepoUpdated
from zuul.daemon.dispatcher import Dispatcher
from zuul.model.change import ChangeKey, NullChange, NullKey
from zuul.model.layout import ActionKind, MergeMode, Precedence, ReportAction

LAUNCH = LaunchBuild("b", "unit", "build:unit", {}, Precedence.NORMAL)
MERGE = MergeChanges(
    "m",
    SeriesItem("m", "p", "gerrit", MergeMode.MERGE, "refs/changes/01/1/1", "master", "Z", "1", "1"),
    Precedence.NORMAL,
)
UPDATE = UpdateRepo("u", "p", "gerrit", Precedence.NORMAL)


class Builds:
    def __init__(self, raises: bool = False) -> None:
        self.seen: list[Command] = []
        self._raises = raises

    def _see(self, command: Command) -> None:
        self.seen.append(command)
        if self._raises:
            raise ConnectionError("gone")

    launch = cancel = describe = merge = update = keep = answer = _see


class Reporter:
    """Answers at once with `outcome`; None: raises."""

    def __init__(self, log: list[str], name: str, outcome: dict[str, Any] | None) -> None:
        self.name = name
        self._log = log
        self._outcome = outcome

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def report(
        self, request: SendReport, action: ReportAction, done: Callable[[ReportCompleted], None]
    ) -> None:
        self._log.append(self.name)
        if self._outcome is None:
            raise ConnectionError("gone")
        done(ReportCompleted(request.report, **self._outcome))


def run(command: Command, **drivers: Any) -> tuple[list[Event], Builds]:
    events: list[Event] = []
    builds = drivers.pop("builds", Builds())
    stop = drivers.pop("stop", lambda: None)
    sources = drivers.pop("sources", {})
    dispatcher = Dispatcher(events.append, builds, builds, drivers, sources, builds, stop)
    dispatcher.dispatch(command)
    return events, builds


def report(*connections: str, submit: bool = False) -> SendReport:
    return SendReport(
        "r",
        "gate",
        ActionKind.SUCCESS,
        NullChange(NullKey("gerrit", "p")),
        "gerrit",
        tuple(
            ReportAction(name, {"submit": True} if name == "gerrit" else {}) for name in connections
        ),
        "message",
        TestedState("c", "t", "b") if submit else None,
    )


def test_commands_reach_their_driver() -> None:
    for command in (
        *(LAUNCH, CancelBuild("b"), MERGE, UPDATE),
        *(KeepBrakes((), ()), AnswerRequest("r")),
    ):
        events, builds = run(command)
        assert builds.seen == [command]
        assert events == []


def test_open_changes_are_asked_of_their_source() -> None:
    asked: list[tuple[str, ChangeKey]] = []

    class Source:
        def find_open(self, project: str, merged: ChangeKey) -> None:
            asked.append((project, merged))

    key = ChangeKey("gerrit", "1", "1")
    run(FindOpenChanges("gerrit", "p", key), sources={"gerrit": Source()})
    assert asked == [("p", key)]
    assert run(FindOpenChanges("gone", "p", key))[0] == []


def test_a_driver_that_raises_is_answered_for() -> None:
    for command, answer in (
        (LAUNCH, ("b", "EXCEPTION")),
        (MERGE, ("m", False)),
        (UPDATE, ("u", None)),
    ):
        events, _ = run(command, builds=Builds(raises=True))
        (event,) = events
        match event:
            case MergeCompleted():
                assert (event.request, event.result.merged) == answer
            case RepoUpdated():
                assert (event.request, event.zuul_url) == answer
            case _:
                assert (event.build, event.result) == answer  # type: ignore[union-attr]


def test_a_cancel_that_raises_needs_no_answer() -> None:
    assert run(CancelBuild("b"), builds=Builds(raises=True))[0] == []


def test_all_reporters_are_told_the_submitting_one_first() -> None:
    log: list[str] = []
    events, _ = run(
        report("mail", "gerrit", submit=True),
        mail=Reporter(log, "mail", {"reported": True}),
        gerrit=Reporter(log, "gerrit", {"reported": True, "merged": True}),
    )
    assert log == ["gerrit", "mail"]
    assert events == [ReportCompleted("r", reported=True, merged=True)]


def test_nobody_is_told_of_a_success_that_did_not_merge() -> None:
    for outcome in (
        {"reported": False, "merged": False},
        {"reported": False, "base_moved": True},
        {"reported": True, "merged": True, "tree_mismatch": "a is not b"},
    ):
        log: list[str] = []
        events, _ = run(
            report("mail", "gerrit", submit=True),
            mail=Reporter(log, "mail", {"reported": True}),
            gerrit=Reporter(log, "gerrit", outcome),
        )
        assert log == ["gerrit"]
        assert events == [ReportCompleted("r", **outcome)]


def test_one_reporter_that_fails_makes_the_report_unreported_with_all_reasons() -> None:
    log: list[str] = []
    events, _ = run(
        report("gerrit", "mail"),
        gerrit=Reporter(log, "gerrit", {"reported": False, "reason": "refused"}),
        mail=Reporter(log, "mail", {"reported": False, "reason": "no relay"}),
    )
    assert events == [ReportCompleted("r", reported=False, reason="refused; no relay")]


def test_a_report_whose_reporter_raises_is_answered_once() -> None:
    events, _ = run(report("gerrit"), gerrit=Reporter([], "gerrit", None))
    assert [(type(e), getattr(e, "reported", None)) for e in events] == [(ReportCompleted, False)]


def test_a_connection_without_a_driver_is_passed_over() -> None:
    log: list[str] = []
    events, _ = run(
        report("database", "gerrit"), gerrit=Reporter(log, "gerrit", {"reported": True})
    )
    assert events == [ReportCompleted("r", reported=True)]


def test_stop_process_stops() -> None:
    stopped: list[bool] = []
    run(StopProcess(), stop=lambda: stopped.append(True))
    assert stopped == [True]
