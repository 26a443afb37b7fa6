"""The bridge's heart among fake masters and a fake Gearman server, on a clock of its own."""

from __future__ import annotations

import json
from typing import Any

from gearman_plugin_shim import commands as c
from gearman_plugin_shim import events as e
from gearman_plugin_shim.bridge import Bridge
from gearman_plugin_shim.model import BridgeSettings, BuildRow, MasterSettings
from gearman_plugin_shim.rows import parse_row, row_state
from tests.property.bridge_gearman import GearmanSide
from tests.property.bridge_masters import MasterSide


class World(GearmanSide, MasterSide):
    """The bridge's life, its journal and what it says, beside those it talks with."""

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(*(names or ("m1",)))
        self.settings = BridgeSettings(
            tuple(MasterSettings(name, f"http://{name}", **options) for name in self.masters)
        )
        #: (life, word, JSON)
        self.published: list[tuple[int, str, dict[str, Any]]] = []
        self.notices: list[c.Notice] = []
        self.sent: list[c.Command] = []
        self.bridge: Bridge | None = None

    def start(self) -> None:
        self.life += 1
        rows: list[BuildRow] = []
        for uuid, (master, state, finished_at) in self.journal.items():
            rows.append(parse_row(uuid, master, json.loads(state), finished_at))
        self.bridge = Bridge(self.settings, rows, self.now)
        self.tell()

    def kill(self) -> None:
        """kill -9: what is on its way to masters arrives, answers do not; the journal stays."""
        self.bridge = None
        self.life += 1
        for link in list(self.links):
            self.lose_link(link)
        self.links.clear()

    def tell(self, *batch: e.Event) -> None:
        if self.bridge is None:
            return
        for command in self.bridge.handle(batch, self.now):
            self.carry_out(command)
        life, due = self.life, self.bridge.next_due(self.now)
        self.at(max(due, self.now + 0.001), lambda: self.life == life and self.wake(due))

    def wake(self, due: float) -> None:
        if self.bridge is not None and self.bridge.next_due(self.now) <= self.now:
            self.tell()

    def carry_out(self, command: c.Command) -> None:
        self.sent.append(command)
        getattr(self, f"do_{type(command).__name__}")(command)

    def do_KeepBuild(self, command: c.KeepBuild) -> None:
        row, life = command.row, self.life

        def write() -> None:
            if self.life == life:
                state = json.dumps(row_state(row))
                self.journal[row.uuid] = (row.master, state, row.finished_at)
                self.deliver(0.005, e.BuildKept(row.uuid, command.serial))

        self.after(0.005, write)

    def do_ForgetBuilds(self, command: c.ForgetBuilds) -> None:
        pass

    def do_PublishEvent(self, command: c.PublishEvent) -> None:
        self.published.append((self.life, command.word, json.loads(command.json)))

    def do_Notice(self, command: c.Notice) -> None:
        self.notices.append(command)
