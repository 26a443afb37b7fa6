"""TargetWatch: asks each target with a Jenkins whether it takes nodes, and what they are doing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from nodepool.config.values import JenkinsConfig, TargetConfig
from nodepool.core import events
from nodepool.drivers.pace import TaskHook
from nodepool.drivers.target_jenkins import TargetJenkins
from nodepool.errors import TargetError
from zuul.lib import clock
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.TargetWatch")

Inbox = Callable[[events.Event], None]
#: seconds between two looks at one target
LOOK_EVERY = 10.0
#: one that did not answer is asked once more after so many seconds, before it counts as offline
SECOND_LOOK = 1.0
ANSWER_SECONDS = 15.0
STOP_SECONDS = 5.0


class TargetWatch:
    """`configure` and `stop` from one thread. Each target has a thread; they share nothing."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        every: float = LOOK_EVERY,
        second_look: float = SECOND_LOOK,
        timeout_seconds: float = ANSWER_SECONDS,
        on_task: TaskHook | None = None,
    ) -> None:
        self._inbox = inbox
        self._every = every
        self._second_look = second_look
        self._timeout = timeout_seconds
        self._on_task = on_task
        self._watches: dict[str, _Watch] = {}

    def start(self) -> None:
        """Threads start with `configure`."""

    def configure(self, targets: Mapping[str, TargetConfig]) -> None:
        """Targets whose Jenkins stays the same are not disturbed."""
        for name, watch in list(self._watches.items()):
            target = targets.get(name)
            if target is None or target.jenkins != watch.config:
                del self._watches[name]
                watch.stop(0.0)
                if target is not None and target.jenkins is None:
                    # One without Jenkins is always online.
                    self._inbox(events.TargetChecked(name, True))
        for name, target in targets.items():
            if target.jenkins is not None and name not in self._watches:
                self._watches[name] = self._watch(name, target.jenkins)

    def _watch(self, name: str, config: JenkinsConfig) -> _Watch:
        jenkins = TargetJenkins(
            name,
            config,
            timeout_seconds=self._timeout,
            connections=1,
            longest_pause=self._every,
            on_task=self._on_task,
        )
        watch = _Watch(name, config, jenkins, self._inbox, self._every, self._second_look)
        watch.start()
        return watch

    def stop(self) -> None:
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.silence()
        deadline = time.monotonic() + STOP_SECONDS
        for watch in watches.values():
            watch.stop(max(0.0, deadline - time.monotonic()))


class _Watch:
    """One target."""

    def __init__(
        self,
        name: str,
        config: JenkinsConfig,
        jenkins: TargetJenkins,
        inbox: Inbox,
        every: float,
        second_look: float,
    ) -> None:
        self.config = config
        self._name = name
        self._jenkins = jenkins
        self._inbox = inbox
        self._every = every
        self._second_look = second_look
        self._silent = threading.Event()
        #: what was logged last
        self._said = ""
        self._loop = Loop(f"target-watch-{name}", self._turn)

    def start(self) -> None:
        self._loop.start()

    def silence(self) -> None:
        """Nothing more is told: what is known may be of another Jenkins by now."""
        self._silent.set()
        self._jenkins.pace.close()
        self._loop.stop(0.0)

    def stop(self, timeout_seconds: float) -> None:
        self.silence()
        self._loop.stop(timeout_seconds)
        self._jenkins.close()

    def _turn(self, stopping: threading.Event) -> None:
        self._look(stopping)
        stopping.wait(self._every)

    def _look(self, stopping: threading.Event) -> None:
        """Whether it takes nodes; and, if it answers at all, all of its computers."""
        try:
            online = self._ask(stopping)
        except TargetError as error:
            self._tell(events.TargetChecked(self._name, False, str(error)))
            self._say(f"Target {self._name} is offline: {error}")
            return
        why = "" if online else "it is about to shut down"
        self._tell(events.TargetChecked(self._name, online, why))
        said = f"Target {self._name} is offline: {why}" if why else ""
        asked_at = clock.now()
        try:
            computers = self._jenkins.survey()
        except TargetError as error:
            self._say(f"Nodes of target {self._name} are not known: {error}")
            return
        self._tell(events.TargetSurveyed(self._name, computers, asked_at))
        self._say(said)

    def _ask(self, stopping: threading.Event) -> bool:
        """One lost answer does not make nodes be launched elsewhere."""
        try:
            return self._jenkins.takes_nodes()
        except TargetError:
            stopping.wait(self._second_look)
            return self._jenkins.takes_nodes()

    def _tell(self, event: events.Event) -> None:
        if not self._silent.is_set():
            self._inbox(event)

    def _say(self, text: str) -> None:
        """Once, until it is something else."""
        if text == self._said or self._silent.is_set():
            return
        if text:
            log.warning("%s", text)
        else:
            log.info("Target %s is online", self._name)
        self._said = text
