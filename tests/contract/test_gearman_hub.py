"""Many workers' connections in one thread, the same on our server, on gear's and on gearmand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.gearman import Recorder, embedded, eventually, gear_library, gearmand
from zuul.lib.gearman import (
    AdminClient,
    GearmanClient,
    JobRef,
    Outcome,
    PacketType,
    TakenJob,
    WorkerHub,
)

pytestmark = [
    pytest.mark.integration,
    # gear's own server calls a deprecated method of threading.
    pytest.mark.filterwarnings("ignore:notifyAll:DeprecationWarning"),
]
SERVERS = {"embedded": embedded, "gear": gear_library, "gearmand": gearmand}
NONE: frozenset[str] = frozenset()


class News:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []
        self.lost: list[tuple[str, int]] = []
        self.taken: list[tuple[JobRef, TakenJob, int]] = []

    def link_opened(self, link: str, generation: int) -> None:
        self.opened.append((link, generation))

    def link_lost(self, link: str, generation: int) -> None:
        self.lost.append((link, generation))

    def job_taken(self, ref: JobRef, job: TakenJob, taken: int) -> None:
        self.taken.append((ref, job, taken))


@pytest.fixture(params=["embedded", "gear", pytest.param("gearmand", marks=pytest.mark.real)])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with SERVERS[request.param]() as found:
        yield found


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
def hub(port: int, news: News) -> Iterator[WorkerHub]:
    made = WorkerHub("127.0.0.1", port, news)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(port: int) -> Iterator[GearmanClient]:
    made = GearmanClient("client", "127.0.0.1", port)
    assert made.wait_connected(10.0)
    yield made
    made.close()


@pytest.fixture
def admin(port: int) -> Iterator[AdminClient]:
    made = AdminClient("127.0.0.1", port)
    yield made
    made.close()


def workers(admin: AdminClient, function: str) -> int:
    found = admin.status().get(function)
    return found.workers if found else 0


def end_of(heard: Recorder) -> tuple[Outcome, bytes]:
    assert heard.all_ended.wait(10.0)
    (end,) = heard.ends
    return end[1:]


def complete(hub: WorkerHub, ref: JobRef, data: bytes = b"") -> None:
    hub.report(ref, (PacketType.WORK_COMPLETE, (data,)))


def test_a_job_is_taken_and_ended_once(hub: WorkerHub, news: News, client: GearmanClient) -> None:
    heard = Recorder()
    hub.open_link("g", "n1_exec-0", frozenset({"build:a"}), 1)
    client.submit("build:a", b'{"a": 1}', heard, unique="u1")
    ref, job, taken = eventually(lambda: news.taken)[0]
    assert (job.function, job.unique, job.payload, taken) == ("build:a", "u1", b'{"a": 1}', 1)
    hub.report(ref, (PacketType.WORK_DATA, (b"{}",)), (PacketType.WORK_STATUS, (b"1", b"2")))
    complete(hub, ref, b"done")
    complete(hub, ref, b"again")
    hub.report(ref, (PacketType.WORK_FAIL, ()))
    assert end_of(heard) == (Outcome.COMPLETE, b"done")


def test_jobs_wait_at_the_server_until_they_are_allowed(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    hub.open_link("g", "n1_exec-0", frozenset({"build:a"}), 1)
    for _ in range(3):
        client.submit("build:a", b"", Recorder())
    eventually(lambda: news.taken)
    hub.flush(5.0)
    assert eventually(lambda: admin.status()["build:a"].total == 3)
    assert len(news.taken) == 1
    hub.allow("g", 2)
    eventually(lambda: len(news.taken) == 2)
    complete(hub, news.taken[0][0])
    eventually(lambda: admin.status()["build:a"].total == 2)
    assert len(news.taken) == 2


def test_functions_follow_while_jobs_wait(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    hub.open_link("g", "n1_exec-0", frozenset({"build:a"}), 1)
    eventually(lambda: workers(admin, "build:a"))
    client.submit("build:b", b"", Recorder())
    hub.set_functions("g", frozenset({"build:b"}))
    assert eventually(lambda: news.taken)[0][1].function == "build:b"
    eventually(lambda: not workers(admin, "build:a"))
    assert workers(admin, "build:b") == 1


def test_a_link_without_a_job_sleeps_and_is_woken(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    for name in ("g1", "g2"):
        hub.open_link(name, f"{name}_exec-0", frozenset({"build:a"}), 5)
    eventually(lambda: workers(admin, "build:a") == 2)
    for number in range(1, 6):
        client.submit("build:a", b"", Recorder())
        eventually(lambda number=number: len(news.taken) == number)  # type: ignore[misc]


def test_links_with_room_share_the_jobs(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    for name in ("g1", "g2", "g3"):
        hub.open_link(name, f"{name}_exec-0", frozenset({"build:a"}), 50, 50)
    eventually(lambda: workers(admin, "build:a") == 3)
    for number in range(1, 13):
        client.submit("build:a", b"", Recorder())
        eventually(lambda number=number: len(news.taken) == number)  # type: ignore[misc]
    assert {ref.link for ref, _, _ in news.taken} == {"g1", "g2", "g3"}


def test_a_retired_link_ends_its_jobs_first(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    heard = Recorder()
    hub.open_link("g", "n1_exec-0", frozenset({"build:a"}), 1)
    client.submit("build:a", b"", heard)
    ref = eventually(lambda: news.taken)[0][0]
    hub.retire_link("g")
    hub.flush(5.0)
    # A function with an open job stays: gearmand would give the job to another worker.
    assert workers(admin, "build:a") == 1
    complete(hub, ref, b"late")
    assert end_of(heard) == (Outcome.COMPLETE, b"late")
    eventually(lambda: not workers(admin, "build:a"))
    eventually(lambda: news.lost)


def test_a_function_goes_while_its_job_runs(
    hub: WorkerHub, news: News, client: GearmanClient, admin: AdminClient
) -> None:
    heard, other = Recorder(), Recorder()
    hub.open_link("g", "n1_exec-0", frozenset({"build:a", "build:b"}), 1)
    client.submit("build:a", b"", heard)
    ref = eventually(lambda: news.taken)[0][0]
    hub.set_functions("g", frozenset({"build:b"}))
    eventually(lambda: len(news.opened) == 2)
    client.submit("build:a", b"", Recorder())
    client.submit("build:b", b"", other)
    hub.allow("g", 2)
    new, job, taken = eventually(lambda: len(news.taken) == 2 and news.taken[1])
    assert (job.function, taken) == ("build:b", 2)
    complete(hub, ref, b"first")
    assert end_of(heard) == (Outcome.COMPLETE, b"first")
    eventually(lambda: not workers(admin, "build:a"))
    complete(hub, new, b"second")
    assert end_of(other) == (Outcome.COMPLETE, b"second")
    assert len(news.taken) == 2


def test_a_new_server_hears_everything_again(port: int, news: News) -> None:
    with embedded() as first:
        hub = WorkerHub("127.0.0.1", first, news)
        hub.start()
        hub.open_link("g", "n1_exec-0", frozenset({"build:a"}), 9)
        client = GearmanClient("client", "127.0.0.1", first)
        heard = Recorder()
        client.submit("build:a", b"", heard)
        ref = eventually(lambda: news.taken)[0][0]
        client.close()
    eventually(lambda: news.lost)
    hub.port = port
    eventually(lambda: len(news.opened) == 2)
    client = GearmanClient("client", "127.0.0.1", port)
    other = Recorder()
    client.submit("build:a", b"", other)
    new = eventually(lambda: len(news.taken) == 2 and news.taken[1][0])
    # An old handle may be a new job's: what is said of the old one must not reach it.
    complete(hub, JobRef(ref.link, ref.generation, new.handle), b"old")
    complete(hub, new, b"new")
    assert end_of(other) == (Outcome.COMPLETE, b"new")
    assert new.generation != ref.generation
    client.close()
    hub.stop()


def test_a_server_that_is_not_there_is_waited_for(
    news: News, caplog: pytest.LogCaptureFixture
) -> None:
    hub = WorkerHub("127.0.0.1", 1, news)
    hub.start()
    for number in range(3):
        hub.open_link(f"g{number}", "n_exec-0", NONE, 0)
    eventually(lambda: "not reached" in caplog.text)
    with embedded() as found:
        hub.port = found
        eventually(lambda: len(news.opened) == 3)
        hub.stop()
    assert caplog.text.count("not reached") == 1
