"""The merger on the wire: Gearman jobs in, answers out.

One thread merges, so the clones need no locks; the Gearman worker's thread hands it one job at a
time, and upkeep comes in between when there has been no job for a while.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zuul.errors import MergerError
from zuul.lib.gearman import GearmanWorker, Reply, Task
from zuul.lib.logs import fields
from zuul.lib.modes import make_folder, refuse_writers
from zuul.lib.process import PidFile
from zuul.lib.workers import Loop
from zuul.merger.merger import Merger, MergerSettings
from zuul.merger.requests import MergeAnswer, parse_head, parse_merge, parse_update

log = logging.getLogger("zuul.MergeServer")

WORKER_NAME = "Zuul Merger"
#: after this long without a job a clone may be packed
IDLE_SECONDS = 30.0
#: and after so many jobs in any case: a fetch whose objects are checked leaves a pack behind
JOBS_BETWEEN_UPKEEP = 50
#: how often refs are looked through for old ones
EXPIRY_SECONDS = 6 * 3600.0
#: the longest that finishing the current job may take: one clone, one fetch and some
FINISH_SECONDS = 2 * 3600.0
STOP_SECONDS = 5.0
_LOCK = ".lock"
_MERGER_ID = ".merger_id"


class MergeServer:
    """A merger that serves a Gearman server's jobs until told to stop.

    git_dir is locked as long as this lives: two mergers on one folder would undo each other's
    work. Raises zuul.lib.process.AlreadyRunning if another has it.
    """

    def __init__(
        self,
        settings: MergerSettings,
        zuul_url: str,
        gearman_host: str,
        gearman_port: int,
        *,
        ssl_context: ssl.SSLContext | None = None,
        ref_max_age_days: int | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        make_folder(settings.git_dir)
        refuse_writers(settings.git_dir)
        self._lock = PidFile(settings.git_dir / _LOCK)
        self._lock.acquire(timeout_seconds=0)
        self.merger_id = read_merger_id(settings.git_dir)
        self._zuul_url = zuul_url
        self._protocols = settings.protocols
        self._ref_max_age_days = ref_max_age_days
        self._idle_seconds = idle_seconds
        self._merger = Merger(settings)
        self._thread = ThreadPoolExecutor(1, "merger")
        self._last_job_at = time.monotonic()
        self._jobs = 0
        self._expired_at = time.monotonic()
        functions = {
            "merger:merge": self._merge,
            f"merger:merge:{self.merger_id}": self._merge,
            "merger:update": self._update,
            "merger:head": self._head,
        }
        self._worker = GearmanWorker(
            WORKER_NAME, gearman_host, gearman_port, functions, ssl_context=ssl_context
        )
        self._upkeep = Loop("merger-upkeep", self._keep_up)
        self._ended = threading.Event()
        self._ending: threading.Thread | None = None

    def start(self) -> None:
        """Take jobs; returns at once, whether or not the Gearman server is there."""
        self._worker.start()
        self._upkeep.start()
        log.info("Merger started %s", fields(merger_id=self.merger_id))

    def wait_connected(self, timeout_seconds: float) -> bool:
        return self._worker.wait_connected(timeout_seconds)

    @property
    def has_ended(self) -> bool:
        """True once `finish` is through."""
        return self._ended.is_set()

    def finish(self) -> None:
        """Take no more jobs, let the current one end, then be ended; returns at once."""
        if self._ending is None:
            log.info("Finishing the current job, then exiting")
            self._ending = threading.Thread(target=self._finish, name="merger-finish", daemon=True)
            self._ending.start()

    def _finish(self) -> None:
        self._worker.stop(FINISH_SECONDS)
        self._ended.set()

    def stop(self) -> None:
        """Be gone within seconds: a running git is killed, its job fails."""
        self._merger.processes.stop()
        if self._ending is None:
            self._worker.stop(STOP_SECONDS)
        else:
            # Stopping already; with git killed the current job ends now.
            self._ending.join(STOP_SECONDS)
        self._upkeep.stop(STOP_SECONDS)
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._merger.close()
        self._lock.release()

    # -- jobs, on the worker's thread

    def _merge(self, task: Task) -> Reply:
        def work() -> dict[str, Any]:
            try:
                answer = self._merger.merge(parse_merge(task.payload, self._protocols))
            except MergerError as error:
                _log_refusal(task, error)
                answer = MergeAnswer(error=str(error))
            return answer.wire()

        return self._answer(work)

    def _update(self, task: Task) -> Reply:
        def work() -> dict[str, Any]:
            # Compat: `updated` is true even if the update failed; `error` tells.
            try:
                self._merger.update(parse_update(task.payload, self._protocols))
            except MergerError as error:
                _log_refusal(task, error)
                return {"updated": True, "error": str(error)}
            return {"updated": True, "error": None}

        return self._answer(work)

    def _head(self, task: Task) -> Reply:
        def work() -> dict[str, Any]:
            try:
                head = self._merger.head(parse_head(task.payload, self._protocols))
            except MergerError as error:
                _log_refusal(task, error)
                return {"commit": None, "tree": None, "error": str(error)}
            return {"commit": head.commit, "tree": head.tree, "error": None}

        return self._answer(work)

    def _answer(self, work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Do it on the merging thread; what is raised beyond MergerError is WORK_EXCEPTION."""
        done: Future[Mapping[str, Any]] = self._thread.submit(work)
        try:
            answer = done.result()
        finally:
            self._last_job_at = time.monotonic()
            self._jobs += 1
            if self._jobs % JOBS_BETWEEN_UPKEEP == 0:
                self._thread.submit(self._tidy)
        return {**answer, "zuul_url": self._zuul_url, "merger_id": self.merger_id}

    # -- upkeep

    def _keep_up(self, stopping: threading.Event) -> None:
        stopping.wait(min(5.0, self._idle_seconds))
        idle = time.monotonic() - self._last_job_at
        if stopping.is_set() or idle < self._idle_seconds:
            return
        self._thread.submit(self._tidy).result()

    def _tidy(self) -> None:
        try:
            if self._merger.tidy() or self._ref_max_age_days is None:
                return
            if time.monotonic() - self._expired_at >= EXPIRY_SECONDS:
                self._expired_at = time.monotonic()
                self._merger.expire_refs(self._ref_max_age_days, time.time())
        except (MergerError, OSError) as error:
            log.warning("Upkeep of a clone failed %s", fields(reason=error))


def read_merger_id(git_dir: Path) -> str:
    """This git_dir's name among mergers: made once, then the same after every restart."""
    file = git_dir / _MERGER_ID
    try:
        found = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        found = ""
    if not found.isalnum():
        found = uuid.uuid4().hex
        draft = file.with_name(file.name + ".new")
        draft.write_text(found + "\n", encoding="ascii")
        os.replace(draft, file)
    return found


def _log_refusal(task: Task, error: MergerError) -> None:
    log.warning("Job failed %s", fields(function=task.function, reason=error))
