"""One build on an executor: its steps one after the other, with the environment Jenkins gives."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime

from tests.sandbox.jenkins_agents import Agents
from tests.sandbox.jenkins_job_rows import build_path, job_path
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Job
from tests.sandbox.jenkins_runs import execute, is_simple, play


class Runner:
    """Gives the master its `run`."""

    def __init__(self, master: Master, url: str, agents: Agents | None = None) -> None:
        """`agents`: without them every node is this machine."""
        self._master = master
        self._url = url
        self._agents = agents
        master.run = self.run

    def run(self, job: Job, build: Build) -> None:
        build.task = asyncio.get_running_loop().create_task(self._play(job, build))

    async def _play(self, job: Job, build: Build) -> None:
        log = self._master.store.log_path(job.name, build.number)
        log.parent.mkdir(parents=True, exist_ok=True)
        result = "FAILURE"
        try:
            node = build.node or "master"
            log.write_text(f"Started by {build.cause or 'anonymous'}\nBuilding on {node}\n")
            result = await self._steps(job, build)
        except asyncio.CancelledError:
            result = "FAILURE" if build.disconnected else "ABORTED"
        except (OSError, ValueError) as error:
            # Such as an environment too big for the kernel, or a node that went away.
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"FATAL: {error}\n")
        if not self._master.killed:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"Finished: {result}\n")
            self._master.ended(job, build, result)

    async def _steps(self, job: Job, build: Build) -> str:
        store = self._master.store
        log = store.log_path(job.name, build.number)
        result = "SUCCESS"
        node = self._master.nodes.get(build.node)
        for script, unstable_code in job.steps:
            if self._agents is not None and node is not None and node.login is not None:
                environment = self._environment(job, build, "")
                for own in ("PATH", "HOME", "LANG"):
                    environment.pop(own, None)
                code = await self._agents.execute(node, build, script, environment, log)
                named = None
            elif is_simple(script):
                code, named = await play(script, log)
            else:
                copy = sum(1 for one in job.running.values() if one.node == build.node)
                workspace = store.workspace(build.node, job.name, max(copy, 1))
                environment = self._environment(job, build, str(workspace))
                code, named = await execute(script, workspace, environment, log)
            if code != 0 and code == unstable_code:
                result = "UNSTABLE"
            elif code != 0:
                return "FAILURE"
            if named is not None:
                result = named
        return result

    def _environment(self, job: Job, build: Build, workspace: str) -> dict[str, str]:
        master = self._master
        node = master.nodes.get(build.node)
        own = "built-in" if master.modern else "master"
        home = "JENKINS" if master.modern else "HUDSON"
        names = job.name.split("/")
        started = datetime.fromtimestamp(build.started_at_ms / 1000)
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "BUILD_NUMBER": str(build.number),
            "BUILD_ID": str(build.number) if master.modern else f"{started:%Y-%m-%d_%H-%M-%S}",
            "BUILD_TAG": f"{home.lower()}-{'-'.join(names)}-{build.number}",
            "BUILD_URL": self._url + build_path(build),
            "EXECUTOR_NUMBER": str(build.executor),
            f"{home}_HOME": str(master.store.folder),
            f"{home}_URL": self._url,
            "JOB_BASE_NAME": names[-1],
            "JOB_NAME": job.name,
            "JOB_URL": self._url + job_path(job.name),
            "NODE_LABELS": " ".join(sorted(node.atoms if node else ())),
            "NODE_NAME": build.node or own,
            **build.parameters,
            "WORKSPACE": workspace,
        }
