"""A Gearman worker that really builds: fetches what the gate prepared and runs the job's command.

Jobs come from a YAML file: `job: [argv, ...]`, or `job: {command: [argv, ...], projects: [...]}`.
A command runs in a fresh workspace with the projects side by side below it (org/one, org/two); a
job that names no projects gets all that the git base lists. Parameters reach it as environment
variables and in no other way. As a program: `python -m tests.sandbox.worker --gearman HOST:PORT
--jobs FILE --workspace DIR --git-base URL`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox.workspace import Workspace, WorkspaceError, changed_projects, list_projects
from zuul.lib.gearman import BadArguments, GearmanWorker, Task
from zuul.lib.tls import TlsFiles, client_context

log = logging.getLogger("sandbox.worker")

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
DEFAULT_BUILD_SECONDS = 600.0
#: What of the worker's own environment a build may see.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
RETRY = None


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, and which projects it wants beside the one under test (None: all)."""

    name: str
    command: tuple[str, ...]
    projects: tuple[str, ...] | None = None


def parse_jobs(text: str) -> dict[str, Job]:
    """The jobs of a YAML file. Raises ValueError that names the job."""
    found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError("jobs: expected a mapping of job names")
    return {str(name): parse_job(str(name), value) for name, value in found.items()}


def parse_job(name: str, value: Any) -> Job:
    projects = None
    if isinstance(value, Mapping):
        if value.get("projects") is not None:
            projects = tuple(map(str, value["projects"]))
        value = value.get("command")
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"job {name}: expected a list of arguments")
    return Job(name, tuple(map(str, value)), projects)


class RunningBuild:
    """One build's process, which may be stopped from another thread."""

    def __init__(self, job: str, number: int) -> None:
        self.job = job
        self.number = number
        self.stopped = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        command: tuple[str, ...],
        folder: Path,
        environment: dict[str, str],
        log_path: Path,
        timeout_seconds: float,
    ) -> int | None:
        """Exit code; None if it was stopped or took too long."""
        with log_path.open("ab") as output:
            with self._lock:
                if self.stopped:
                    return None
                self._process = subprocess.Popen(
                    list(command),
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                code = self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                output.write(b"\nBuild timed out\n")
                code = None
            finally:
                self._end()
        return None if self.stopped else code

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            self._kill()

    def _end(self) -> None:
        with self._lock:
            self._kill()
            if self._process is not None:
                self._process.wait()
                self._process = None

    def _kill(self) -> None:
        """The whole process group, so that nothing of the build survives it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class SandboxWorker:
    """Serves `build:JOB` for some jobs and `stop:MANAGER` for its own builds."""

    def __init__(
        self,
        host: str,
        port: int,
        jobs: Mapping[str, Job],
        workspace: Path,
        git_base: str,
        *,
        manager: str | None = None,
        executors: int = 2,
        build_seconds: float = DEFAULT_BUILD_SECONDS,
        tls: TlsFiles | None = None,
    ) -> None:
        self.manager = manager or f"sandbox-{socket.gethostname()}-{os.getpid()}"
        self._jobs = dict(jobs)
        self._workspace = workspace
        self._git_base = git_base
        self._build_seconds = build_seconds
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._running: dict[int, RunningBuild] = {}
        builds = {f"build:{name}": partial(self._build, job) for name, job in self._jobs.items()}
        control = {
            f"stop:{self.manager}": self._stop_build,
            f"set_description:{self.manager}": _ignore,
        }
        context = None if tls is None else client_context(tls, check_hostname=True)
        self._builder = GearmanWorker(
            self.manager, host, port, builds, connections=executors, ssl_context=context
        )
        self._control = GearmanWorker(
            f"{self.manager}-control", host, port, control, ssl_context=context
        )

    def start(self) -> None:
        """Begin to take builds; returns at once."""
        self._workspace.mkdir(parents=True, exist_ok=True)
        self._control.start()
        self._builder.start()

    def wait_connected(self, timeout_seconds: float = 30.0) -> bool:
        return self._builder.wait_connected(timeout_seconds)

    def stop(self) -> None:
        """Stop the builds that run, then leave the server."""
        for build in self.running():
            build.stop()
        self._builder.stop(10.0)
        self._control.stop(10.0)

    def running(self) -> list[RunningBuild]:
        with self._lock:
            return list(self._running.values())

    # -- builds --------------------------------------------------------------------------------

    def _build(self, job: Job, task: Task) -> dict[str, Any]:
        parameters = text_parameters(task.arguments())
        number = next(self._numbers)
        build = RunningBuild(job.name, number)
        with self._lock:
            self._running[number] = build
        try:
            return self._run(job, build, parameters, task)
        finally:
            with self._lock:
                del self._running[number]

    def _run(
        self, job: Job, build: RunningBuild, parameters: dict[str, str], task: Task
    ) -> dict[str, Any]:
        logs = self._workspace / "logs" / str(build.number)
        folder = self._workspace / "builds" / str(build.number)
        for path in (logs, folder):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        data = self._start_data(job, build.number, logs)
        task.send_data(data)
        task.send_status(0, 100)
        result = self._result(job, build, parameters, folder, logs / "console.txt")
        shutil.rmtree(folder, ignore_errors=True)
        log.info("Build ended job=%s number=%s result=%s", job.name, build.number, result)
        return {**data, "result": result}

    def _result(
        self,
        job: Job,
        build: RunningBuild,
        parameters: dict[str, str],
        folder: Path,
        log_path: Path,
    ) -> str | None:
        try:
            workspace = Workspace(folder, self._git_base, parameters)
            workspace.prepare(self._projects(job, parameters))
        except (WorkspaceError, subprocess.TimeoutExpired) as error:
            log_path.write_text(f"{error}\n", encoding="utf-8")
            log.warning("Workspace not ready job=%s number=%s: %s", job.name, build.number, error)
            return RETRY
        environment = self._environment(parameters, folder)
        try:
            code = build.run(job.command, folder, environment, log_path, self._build_seconds)
        except OSError as error:
            log_path.write_text(f"{error}\n", encoding="utf-8")
            return "FAILURE"
        if build.stopped:
            return "ABORTED"
        if code is None:
            return "TIMED_OUT"
        return "SUCCESS" if code == 0 else "FAILURE"

    def _projects(self, job: Job, parameters: Mapping[str, str]) -> list[str]:
        if job.projects is not None:
            return list(job.projects)
        return [*changed_projects(parameters), *list_projects(self._git_base)]

    def _environment(self, parameters: dict[str, str], folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        own = {"HOME": str(folder), "WORKSPACE": str(folder), "GIT_BASE": self._git_base}
        return {**kept, **parameters, **own}

    def _start_data(self, job: Job, number: int, logs: Path) -> dict[str, Any]:
        host = socket.gethostname()
        return {
            "name": job.name,
            "number": number,
            "manager": self.manager,
            "url": f"{logs.resolve().as_uri()}/console.txt",
            "worker_name": self.manager,
            "worker_hostname": host,
            "worker_ips": ["127.0.0.1"],
            "worker_fqdn": host,
            "worker_program": "sandbox worker",
            "worker_version": "1",
            "worker_extra": {},
        }

    def _stop_build(self, task: Task) -> None:
        wanted = task.arguments()
        number = str(wanted.get("number"))
        for build in self.running():
            if str(build.number) == number and wanted.get("name") == build.job:
                build.stop()
                return
        raise BadArguments(f"no build {number} of {wanted.get('name')} runs here")


def text_parameters(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Those parameters that can be environment variables, as text; null ones are left out."""
    texts = {}
    for name, value in arguments.items():
        if value is None or not _VARIABLE.match(name):
            continue
        text = value if isinstance(value, str) else str(value)
        if "\0" not in text:
            texts[name] = text
    return texts


def _ignore(_task: Task) -> None:
    """A description nobody shows."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A sandbox Gearman worker")
    parser.add_argument("--gearman", required=True, metavar="HOST:PORT")
    parser.add_argument("--jobs", type=Path, required=True, help="YAML file: job -> command")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--git-base", required=True, help="address projects are cloned from")
    parser.add_argument("--manager", help="name for stop: (host and process id by default)")
    parser.add_argument("--tls", type=Path, nargs=3, metavar=("CA", "CERTIFICATE", "KEY"))
    parser.add_argument("--executors", type=int, default=2, help="builds side by side")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    host, _colon, port = options.gearman.rpartition(":")
    try:
        jobs = parse_jobs(options.jobs.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"{options.jobs}: {error}", file=sys.stderr)
        return 1
    worker = SandboxWorker(
        host,
        int(port),
        jobs,
        options.workspace,
        options.git_base,
        manager=options.manager,
        executors=options.executors,
        tls=TlsFiles(*options.tls) if options.tls else None,
    )
    asked_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: asked_to_end.set())
    worker.start()
    asked_to_end.wait()
    worker.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
