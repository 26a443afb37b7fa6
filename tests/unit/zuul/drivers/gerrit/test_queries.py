"""Query answers: pages, bad rows, refusals; and one query for what waits together."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.zuul.drivers.gerrit.rows import change_id, make_data
from zuul.drivers.gerrit.connection import CommandResult
from zuul.drivers.gerrit.queries import (
    Queries,
    by_change_id,
    by_dependency,
    by_number,
    by_project,
    fetch_rows,
    parse_page,
)
from zuul.errors import ConnectionLost, DriverError


def page(*rows: dict[str, Any] | str, **stats: Any) -> str:
    last = {"type": "stats", "rowCount": len(rows)} | stats
    lines = [row if isinstance(row, str) else json.dumps(row) for row in (*rows, last)]
    return "\n".join(lines) + "\n"


class Server:
    """Answers commands from a list, then from the changes that the query names."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.commands: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def run(self, command: str, **_: Any) -> CommandResult:
        self.commands.append(command)
        self.may_answer.wait(10)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return CommandResult(0, answer, "")
        words = command.replace("'", " ").split()
        numbers = [w.partition(":")[2] for w in words if w.startswith("change:")]
        if "666" in numbers:
            return CommandResult(1, "", "fatal: number of the beast")
        return CommandResult(0, page(*(make_data(int(n)) for n in numbers)), "")

    def close(self) -> None:
        self.may_answer.set()


def numbers(server: Server) -> list[str]:
    return [row.number for row in fetch_rows(server, "status:open", "gerrit")]


def test_155_pages_by_count() -> None:
    server = Server(
        page(make_data(1), make_data(2), moreChanges=True), page(make_data(3), moreChanges=False)
    )
    assert numbers(server) == ["1", "2", "3"]
    assert "-S 2" in server.commands[1] and "-S" not in server.commands[0].split()


def test_155_pages_by_sort_key_of_servers_before_2_9() -> None:
    server = Server(page(make_data(1, sortKey="0a")), page(make_data(2, sortKey="0b")), page())
    assert numbers(server) == ["1", "2"]
    assert "(status:open) resume_sortkey:0a" in server.commands[1]
    assert "(status:open) resume_sortkey:0b" in server.commands[2]


def test_155_pages_of_several_terms_by_sort_key() -> None:
    server = Server(page(make_data(1, sortKey="0a")), page())
    terms = f"{by_project('org/demo')} OR {by_number('7')}"
    fetch_rows(server, terms, "gerrit")
    assert f"({terms}) resume_sortkey:0a" in server.commands[1]


def test_one_page_of_an_old_server_without_sort_keys() -> None:
    server = Server(page(make_data(1)))
    assert numbers(server) == ["1"]


def test_bad_rows_are_left_out_by_name(caplog: pytest.LogCaptureFixture) -> None:
    text = page("garbage", "[]", make_data(1, branch=None), make_data(2))
    rows, _ = parse_page(text, "gerrit")
    assert [row.number for row in rows] == ["2"]
    assert "branch: is missing" in caplog.text
    assert "garbage" in caplog.text


def test_an_answer_that_was_cut_off() -> None:
    text = page(make_data(1))
    with pytest.raises(ConnectionLost, match="without its last row"):
        parse_page(text[: len(text) // 2], "gerrit")


def test_a_refusal_in_a_row() -> None:
    with pytest.raises(DriverError, match="unsupported"):
        parse_page('{"type": "error", "message": "unsupported"}\n', "gerrit")


@pytest.mark.parametrize("text", ["", "1 OR is:open", "-1", "x", "1" * 30])
def test_a_number_is_digits(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        by_number(text)


@pytest.mark.parametrize("text", ["", "I123", change_id(1) + " OR is:open", change_id(1)[1:]])
def test_a_change_id_is_hex(text: str) -> None:
    for make in (by_change_id, by_dependency):
        with pytest.raises(ValueError, match="Change-Id"):
            make(text)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def queries(server: Server) -> Iterator[Queries]:
    pool = Queries("gerrit", lambda: server, threads=1)
    pool.start()
    yield pool
    pool.stop()


def test_what_waits_travels_in_one_query(server: Server) -> None:
    queries = Queries("gerrit", lambda: server, threads=1)
    futures = [queries._ask(by_number(str(n))) for n in range(1, 10)]
    queries.start()
    assert [future.result(10).rows[0].number for future in futures] == list("123456789")
    queries.stop()
    assert len(server.commands) == 1


def test_an_answer_goes_to_who_asked(queries: Queries) -> None:
    terms = [by_number(str(n)) for n in (3, 1, 2)]
    answers = queries.look_up(terms)
    assert {str(t): [r.number for r in answers[t].rows] for t in terms} == {
        "change:1": ["1"],
        "change:2": ["2"],
        "change:3": ["3"],
    }


def test_one_bad_term_does_not_spoil_the_others(server: Server, queries: Queries) -> None:
    server.may_answer.clear()
    first = queries._ask(by_number("1"))
    futures = [queries._ask(by_number(n)) for n in ("2", "666", "3")]
    server.may_answer.set()
    assert first.result(10).rows[0].number == "1"
    assert futures[0].result(10).rows[0].number == "2"
    assert futures[2].result(10).rows[0].number == "3"
    with pytest.raises(DriverError, match="beast"):
        futures[1].result(10)


def test_a_lost_connection_is_told_to_all(server: Server, queries: Queries) -> None:
    server.answers = [ConnectionLost("gone")]
    with pytest.raises(ConnectionLost, match="gone"):
        queries.look_up([by_number("1"), by_number("2")])
    assert queries.look_up_number("1") is not None


def test_nobody_waits_for_a_stopped_pool(server: Server) -> None:
    pool = Queries("gerrit", lambda: server, threads=1)
    future = pool._ask(by_number("1"))
    pool.start()
    pool.stop()
    assert future.done()
    with pytest.raises(ConnectionLost, match="stops"):
        pool.look_up_number("1")
