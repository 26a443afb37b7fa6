"""The queue as a live picture in the terminal, drawn from status.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_STYLES = {"SUCCESS": "green", "FAILURE": "red", "SKIPPED": "dim", None: "cyan"}


def draw(status: Mapping[str, Any], names: Mapping[str, str]) -> RenderableType:
    """`status`: the document of /status.json; `names`: "N,P" -> what the story calls the change."""
    panels: list[RenderableType] = []
    for pipeline in status.get("pipelines", ()):
        tables = [
            _draw_queue(queue, names) for queue in pipeline["change_queues"] if queue["heads"]
        ]
        body = Group(*tables) if tables else Text("empty", style="dim")
        panels.append(Panel(body, title=pipeline["name"], title_align="left"))
    return Group(*panels)


def _draw_queue(queue: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=28)
    table.add_column(width=16)
    table.add_column()
    for item in _items(queue):
        failing = bool(item["failing_reasons"])
        style = "red" if failing else "" if item["live"] and item["active"] else "dim"
        behind = "" if item["item_ahead"] is None else "  on " + _name(item["item_ahead"], names)
        label = Text(("✗ " if failing else "● ") + _name(item["id"], names) + behind, style=style)
        table.add_row(label, Text(item["project"], style="dim"), _draw_jobs(item["jobs"]))
        for reason in item["failing_reasons"]:
            table.add_row("", "", Text(reason, style="red dim"))
    return table


def _draw_jobs(jobs: list[Mapping[str, Any]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*(_draw_job(job) for job in jobs))
    return grid


def _draw_job(job: Mapping[str, Any]) -> RenderableType:
    result = job["result"]
    if result is None and job["start_time"] is not None:
        elapsed, remaining = job["elapsed_time"] or 0, job["remaining_time"]
        total = elapsed + remaining if remaining is not None else None
        bar = ProgressBar(total=total, completed=elapsed, width=12, pulse=total is None)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(job["name"], style="cyan"), bar)
        return grid
    word = result or "waits"
    return Text(f"{job['name']} {word}", style=_STYLES.get(result, "red") if result else "dim")


def _items(queue: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for head in queue["heads"]:
        yield from head


def _name(key: str | None, names: Mapping[str, str]) -> str:
    return names.get(key or "", key or "")
