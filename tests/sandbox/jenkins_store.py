"""What a sandbox Jenkins keeps on disk, written as it happens, so that kill -9 is survived.

Below the folder: jobs/NAME/{config.xml,nextBuildNumber,builds/N.json,logs/N}, nodes/NAME.json,
queue.json (written by a clean stop only, as Jenkins does), workspaces/. Names are percent-quoted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.sandbox.jenkins_model import Build, Item, Job, Login, Node
from tests.sandbox.jenkins_xml import read_job

#: fields of a build that live no longer than its process
_TRANSIENT = ("task", "stopped", "disconnected")


class Store:
    """Files of one master; with `persistent=False` only logs and workspaces are written."""

    def __init__(self, folder: Path, *, persistent: bool = True, modern: bool = True) -> None:
        self.folder = folder
        self._persistent = persistent
        self._modern = modern
        folder.mkdir(parents=True, exist_ok=True)

    # -- paths ---------------------------------------------------------------------------------

    def log_path(self, job: str, number: int) -> Path:
        return self._job_folder(job) / "logs" / str(number)

    def workspace(self, node: str, job: str, copy: int) -> Path:
        name = job if copy == 1 else f"{job}@{copy}"
        return self.folder / "workspaces" / (quote(node, safe="") or "master") / name

    def _job_folder(self, job: str) -> Path:
        return self.folder / "jobs" / quote(job, safe="")

    # -- writing -------------------------------------------------------------------------------

    def save_folder(self, name: str) -> None:
        self._write(self.folder / "folders" / quote(name, safe=""), "")

    def save_job(self, job: Job) -> None:
        self._write(self._job_folder(job.name) / "config.xml", job.xml)

    def save_build(self, job: Job, build: Build) -> None:
        row = {name: value for name, value in _row(build).items() if name not in _TRANSIENT}
        folder = self._job_folder(job.name)
        self._write(folder / "builds" / f"{build.number}.json", json.dumps(row))
        self._write(folder / "nextBuildNumber", str(job.next_number))

    def drop_build(self, job: str, number: int) -> None:
        (self._job_folder(job) / "builds" / f"{number}.json").unlink(missing_ok=True)

    def drop_job(self, job: str) -> None:
        shutil.rmtree(self._job_folder(job), ignore_errors=True)

    def rename_job(self, old: str, new: str) -> None:
        if self._job_folder(old).exists():
            self._job_folder(old).rename(self._job_folder(new))

    def save_node(self, node: Node) -> None:
        row = {
            "name": node.name,
            "labels": sorted(node.labels),
            "executors": node.executors,
            "mode": node.mode,
            "description": node.description,
            "temporarily_offline": node.temporarily_offline,
            "offline_reason": node.offline_reason,
            "xml": node.xml,
            "login": None if node.login is None else asdict(node.login),
        }
        self._write(self._node_file(node.name), json.dumps(row))

    def drop_node(self, name: str) -> None:
        self._node_file(name).unlink(missing_ok=True)

    def save_queue(self, items: Iterable[Item], next_id: int) -> None:
        rows = [asdict(item) for item in items]
        self._write(self.folder / "queue.json", json.dumps({"next_id": next_id, "items": rows}))

    def _node_file(self, name: str) -> Path:
        return self.folder / "nodes" / f"{quote(name, safe='') or '(master)'}.json"

    def _write(self, path: Path, text: str) -> None:
        if not self._persistent:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + "~")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)

    # -- reading -------------------------------------------------------------------------------

    def folders(self) -> list[str]:
        return [unquote(path.name) for path in self._listed("folders", "*")]

    def jobs(self) -> Iterator[Job]:
        for path in self._listed("jobs", "*/config.xml"):
            job = Job(unquote(path.parent.name), "")
            read_job(job, path.read_text(encoding="utf-8"), modern=self._modern)
            number = path.with_name("nextBuildNumber")
            job.next_number = int(number.read_text()) if number.exists() else 1
            files = path.parent.glob("builds/*.json")
            for file in sorted(files, key=lambda one: int(one.stem)):
                build = _build(json.loads(file.read_text(encoding="utf-8")))
                if not self._modern:
                    # The identity of an old build is its time in seconds.
                    build.started_at_ms -= build.started_at_ms % 1000
                job.builds[build.number] = build
            yield job

    def nodes(self) -> Iterator[Node]:
        for path in self._listed("nodes", "*.json"):
            row = json.loads(path.read_text(encoding="utf-8"))
            row["labels"] = frozenset(row["labels"])
            login = row.pop("login", None)
            yield Node(**row, login=Login(**login) if login else None)

    def take_queue(self) -> tuple[list[Item], int]:
        """Waiting items a clean stop left, and the next id; only once."""
        path = self.folder / "queue.json"
        if not path.exists():
            return [], 1
        data = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        items = [Item(**{**row, "values": _values(row["values"])}) for row in data["items"]]
        return items, data["next_id"]

    def _listed(self, folder: str, pattern: str) -> list[Path]:
        return sorted((self.folder / folder).glob(pattern)) if self._persistent else []


def _row(build: Build) -> dict[str, Any]:
    return {name: getattr(build, name) for name in Build.__slots__}


def _build(row: dict[str, Any]) -> Build:
    return Build(**{**row, "values": _values(row["values"])})


def _values(rows: list[list[str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((kind, name, value) for kind, name, value in rows)
