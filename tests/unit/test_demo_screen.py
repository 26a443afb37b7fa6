"""The demo's picture: the nodes' life beside the queue."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from tests.demo.screen import draw


def lines(nodes: list[dict[str, Any]]) -> list[str]:
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(draw({"pipelines": []}, {}, nodes))
    return [line.strip("│ ") for line in console.export_text().splitlines()]


def row(number: int, state: str, job: str | None = None) -> dict[str, Any]:
    name = f"worker-{number}"
    return {
        "id": number,
        "nodename": name,
        "target": "alpha",
        "state": state,
        "job": job,
        "age": "00:00:00:07",
    }


def test_each_node_is_a_line_in_the_order_they_came() -> None:
    nodes = [row(10, "building"), row(9, "used", "integration"), row(8, "delete")]
    assert [" ".join(line.split()) for line in lines(nodes)[1:-1]] == [
        "worker-8 alpha is deleted 00:00:07",
        "worker-9 alpha builds integration 00:00:07",
        "worker-10 alpha boots 00:00:07",
    ]


def test_without_nodes_there_is_no_panel() -> None:
    assert lines([]) == []
