"""Tables that people are shown: nodes, images, aliens, jobs (contract nodepool.md 18). Pure.

Columns and their order are contract: sites' scripts cut them by position. A cell without a value
says `None`, as ever, so that no column of `awk` moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from wcwidth import wcswidth

from nodepool.alien_computers import ListedComputer
from nodepool.core.obstacles import Obstacle
from nodepool.model import CloudImage, Node, Server, SnapshotImage

Value = str | int | bool | None | list[Mapping[str, str | None]]
#: what cannot be shown in one cell of a terminal: names come from clouds
_UNSHOWABLE: Final = re.compile(r"[^\t\x20-\x7e\xa0-\U0010ffff]|[\u2028\u2029\u202a-\u202e]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind."""

    #: title -> key of a record, in order
    columns: Mapping[str, str]
    #: what is known of each row; more than the columns show
    records: tuple[Mapping[str, Value], ...] = ()

    def text(self) -> str:
        """As PrettyTable draws it, left-aligned; without a line end.

        Drawn here, since that takes a second for 2,000 nodes, and pages are asked for by anybody.
        """
        keys = list(self.columns.values())
        rows = [list(self.columns)]
        rows += [[_cell(record[key]) for key in keys] for record in self.records]
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        line = "+".join(["", *("-" * (width + 2) for width in widths), ""])
        drawn = [
            "|".join(
                [
                    "",
                    *(
                        f" {cell}{' ' * (width - _width(cell))} "
                        for cell, width in zip(row, widths, strict=True)
                    ),
                    "",
                ]
            )
            for row in rows
        ]
        return "\n".join([line, drawn[0], line, *drawn[1:], line])

    def json(self) -> list[dict[str, Value]]:
        """A list of objects."""
        return [dict(record) for record in self.records]


NODES: Final = {
    "ID": "id",
    "Provider": "provider",
    "AZ": "az",
    "Label": "label",
    "Target": "target",
    "Manager": "manager",
    "Hostname": "hostname",
    "NodeName": "nodename",
    "Server ID": "server_id",
    "IP": "ip",
    "State": "state",
    "Age": "age",
    "Comment": "comment",
}
IMAGES: Final = {
    "ID": "id",
    "Provider": "provider",
    "Image": "image",
    "Hostname": "hostname",
    "Version": "version",
    "Image ID": "image_id",
    "Server ID": "server_id",
    "State": "state",
    "Age": "age",
}
DIB_IMAGES: Final = {
    "ID": "id",
    "Image": "image",
    "Filename": "filename",
    "Version": "version",
    "State": "state",
    "Age": "age",
}
ALIENS: Final = {
    "Provider": "provider",
    "Hostname": "hostname",
    "Server ID": "server_id",
    "IP": "ip",
}
ALIEN_IMAGES: Final = {"Provider": "provider", "Name": "name", "Image ID": "image_id"}
ALIEN_COMPUTERS: Final = {
    "Target": "target",
    "NodeName": "nodename",
    "Label": "label",
    "Offline": "offline",
    "Idle": "idle",
}
PROVIDERS: Final = {
    "Provider": "provider",
    "Max Servers": "max_servers",
    "Servers": "servers",
    "Account Room": "account_room",
}
OBSTACLES: Final = {
    "Provider": "provider",
    "Label": "label",
    "Target": "target",
    "State": "state",
    "Left": "left",
    "Pauses": "pauses",
    "Reason": "reason",
}
JOBS: Final = {"ID": "id", "Name": "name", "Hold on Failure": "hold_on_failure"}


def node_table(nodes: Iterable[Node], now: float) -> Table:
    """`now`: epoch seconds. Subnodes are no rows of their own; JSON has them."""
    return Table(NODES, tuple(_node(node, now) for node in nodes))


def image_table(images: Iterable[SnapshotImage], now: float) -> Table:
    return Table(IMAGES, tuple(_image(image, now) for image in images))


def dib_image_table() -> Table:
    """Always empty: disk images are not built here."""
    return Table(DIB_IMAGES)


def alien_table(aliens: Iterable[tuple[str, Server]]) -> Table:
    """Of (provider, server)."""
    rows: list[Mapping[str, Value]] = [
        {
            "provider": provider,
            "hostname": server.name,
            "server_id": server.id,
            "ip": server.public_v4 or server.public_v6 or server.private_v4,
            "status": server.status,
        }
        for provider, server in aliens
    ]
    return Table(ALIENS, tuple(rows))


def alien_image_table(aliens: Iterable[tuple[str, CloudImage]]) -> Table:
    """Of (provider, image)."""
    rows: list[Mapping[str, Value]] = [
        {
            "provider": provider,
            "name": image.name,
            "image_id": image.id,
            "status": image.status,
        }
        for provider, image in aliens
    ]
    return Table(ALIEN_IMAGES, tuple(rows))


def alien_computer_table(aliens: Iterable[tuple[str, ListedComputer]]) -> Table:
    """Of (target, computer)."""
    rows: list[Mapping[str, Value]] = [
        {
            "target": target,
            "nodename": computer.name,
            "label": computer.label,
            "offline": computer.offline,
            "idle": computer.idle,
        }
        for target, computer in aliens
    ]
    return Table(ALIEN_COMPUTERS, tuple(rows))


def job_table(jobs: Iterable[tuple[int, str, int]]) -> Table:
    """Of (id, name, nodes to hold)."""
    rows: list[Mapping[str, Value]] = [
        {"id": number, "name": name, "hold_on_failure": count} for number, name, count in jobs
    ]
    return Table(JOBS, tuple(rows))


def provider_table(providers: Iterable[tuple[str, int | None, int, int | None]]) -> Table:
    """Of (name, max-servers or None: it left the file, servers, servers that the account takes
    besides or None: it has not told)."""
    rows: list[Mapping[str, Value]] = [
        {"provider": name, "max_servers": most, "servers": servers, "account_room": room}
        for name, most, servers, room in providers
    ]
    return Table(PROVIDERS, tuple(rows))


def obstacle_table(obstacles: Iterable[Obstacle], now: float) -> Table:
    """`now`: epoch seconds."""
    rows: list[Mapping[str, Value]] = [
        {
            "provider": each.place.provider,
            "label": each.place.label,
            "target": each.place.target,
            "state": each.hindrance.value,
            "left": None if each.until is None else age(each.until - now),
            "until": None if each.until is None else int(each.until),
            "since": None if each.since is None else int(each.since),
            "pauses": each.pauses,
            "reason": each.reason,
        }
        for each in obstacles
    ]
    return Table(OBSTACLES, tuple(rows))


def age(seconds: float) -> str:
    """DD:HH:MM:SS; what a clock set back would make negative is 0."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day:02}:{hour:02}:{minute:02}:{second:02}"


def _node(node: Node, now: float) -> dict[str, Value]:
    machine = node.machines[0]
    return {
        "id": node.id,
        "provider": node.provider,
        "az": node.az,
        "label": node.label,
        "target": node.target,
        "manager": node.manager,
        "hostname": machine.hostname or None,
        "nodename": node.nodename or None,
        "server_id": machine.server_id,
        "ip": machine.ip,
        "state": node.state.word,
        **_times(node.state_at, now),
        "comment": node.comment,
        "job": node.job,
        "ip_private": machine.ip_private,
        "subnodes": [
            {
                "hostname": each.hostname or None,
                "server_id": each.server_id,
                "ip": each.ip,
                "ip_private": each.ip_private,
            }
            for each in node.machines[1:]
        ],
    }


def _image(image: SnapshotImage, now: float) -> dict[str, Value]:
    return {
        "id": image.id,
        "provider": image.provider,
        "image": image.image,
        "hostname": image.hostname or None,
        "version": image.version,
        "image_id": image.external_id,
        "server_id": image.machine.server_id,
        "state": image.state.word,
        **_times(image.state_at, now),
        "proven": image.proven,
    }


def _times(state_at: float, now: float) -> dict[str, Value]:
    """`state_time`: epoch seconds, as in the database."""
    return {"age": age(now - state_at), "state_time": int(state_at)}


def _cell(value: Value) -> str:
    return _UNSHOWABLE.sub("?", str(value)).replace("\t", " ")


def _width(cell: str) -> int:
    """In columns of a terminal: some letters take two."""
    return len(cell) if cell.isascii() else max(0, wcswidth(cell))
