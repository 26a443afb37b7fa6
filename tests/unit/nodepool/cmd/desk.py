"""A person at nodepool's command line, and the daemon's part played by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nodepool.cmd import images, nodes
from nodepool.cmd import site as command_site
from nodepool.cmd.nodepool import main
from nodepool.cmd.waiting import Watch
from nodepool.core.commands import SaveNode
from nodepool.db.database import Database
from tests.integration.nodepool_store_world import Site, new_node
from zuul.lib.secret import Secret

CONFIG = """
dburi: {dburi}
labels: [{{name: label, image: precise, min-ready: 1, providers: [{{name: cloud}}]}}]
providers:
  - {{name: cloud, max-servers: 2, images: [{{name: precise, min-ram: 1, base-image: Precise}}]}}
targets: [{{name: jenkins}}]
"""


class Desk:
    """A person at the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self.file = folder / "nodepool.yaml"
        self.file.write_text(CONFIG.format(dburi=self.dburi))
        self._capsys = capsys
        self.said = ""

    def run(self, *arguments: object, status: int = 0) -> str:
        """What it prints; `said` is what it says besides."""
        self._capsys.readouterr()
        try:
            ended = main(["-c", str(self.file), *map(str, arguments)])
        except SystemExit as error:
            ended = int(error.code or 0)
        out, self.said = self._capsys.readouterr()
        assert ended == status, self.said
        return out

    def rows(self, *arguments: object, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))


@pytest.fixture(autouse=True)
def no_site_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command_site, "SECURE", tmp_path / "no-secure.conf")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: to make them anew for each test takes long."""
    file = tmp_path_factory.mktemp("empty") / "nodepool.sqlite"
    database = Database(Secret(f"sqlite:///{file}"))
    database.migrate()
    database.close()
    return file


@pytest.fixture
def site(desk: Desk, empty: Path) -> Iterator[Site]:
    """Of the daemon: its lease is held."""
    shutil.copy(empty, desk.file.with_name("nodepool.sqlite"))
    made = Site(desk.dburi)
    try:
        yield made
    finally:
        made.database.close()


def save_node(site: Site, **values: Any) -> int:
    node = new_node(site, **values)
    site.store.commit([SaveNode(node, None)])
    return node.id


def wait_with(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], object]) -> None:
    """Where a command would sleep, `pause` is called."""
    for module in (nodes, images):
        monkeypatch.setattr(module, "Watch", partial(Watch, pause=pause))
