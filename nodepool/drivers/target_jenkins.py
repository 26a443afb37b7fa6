"""TargetJenkins: what nodepool asks of one target's Jenkins, or Hudson; blocking calls that end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from nodepool.alien_computers import ListedComputer
from nodepool.config.values import JenkinsConfig
from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import RegisterNode, WantedBuilds
from nodepool.core.events import Computer
from nodepool.drivers.build_lists import find_builds
from nodepool.drivers.jenkins_rows import (
    OFFLINE_WORDS,
    check_name,
    is_possible,
    node_form,
    parse_computers,
    reason_of,
    with_label,
)
from nodepool.drivers.pace import LONGEST_PAUSE, Pace, TaskHook
from nodepool.drivers.target_builds import TargetBuilds
from nodepool.drivers.target_computers import TargetComputers
from nodepool.errors import NoTurn, TargetError, TargetLacks, TargetUnavailable
from zuul.lib.jenkins.computers import set_offline
from zuul.lib.jenkins.errors import JenkinsError, JenkinsNotFound, JenkinsUnavailable
from zuul.lib.jenkins.paths import computer_path, job_path
from zuul.lib.jenkins.session import Answer, JenkinsSession

log = logging.getLogger("nodepool.Jenkins")

T = TypeVar("T")
#: looks whether a node that was deleted has left, and seconds between two
LOOKS, LOOK_SECONDS = 40, 0.25
#: in the pane of the queue: a link for those who may, words for all whose language is English
_SHUTS_DOWN = ("cancelQuietDown", "is going to shut down")
_XML = "text/xml; charset=utf-8"


class TargetJenkins:
    """Any thread. Every method may raise TargetError; `until` is the monotonic time after which
    no request may start."""

    def __init__(
        self,
        target: str,
        config: JenkinsConfig,
        *,
        rate: float = 0.0,
        timeout_seconds: float = 30.0,
        connections: int = 4,
        longest_pause: float = LONGEST_PAUSE,
        on_task: TaskHook | None = None,
    ) -> None:
        self.target = target
        self._config = config
        self._on_task = on_task
        self.pace = Pace(rate, longest_pause=longest_pause)
        self._session = JenkinsSession(
            target,
            config.url,
            config.user,
            config.apikey,
            timeout_seconds=timeout_seconds,
            connections=connections,
        )

    def close(self) -> None:
        """Waits for turns end now; a request that is under way may end as it likes."""
        self.pace.close()
        self._session.close()

    # -- what is asked regularly -------------------------------------------------------------------

    def takes_nodes(self) -> bool:
        """False: it is about to shut down. Old masters tell that on pages alone."""
        found = self._do(
            "GetInfoTask", lambda: self._session.get_json("api/json", {"tree": "quietingDown"})
        )
        if "quietingDown" in found:
            return found["quietingDown"] is not True
        pane = self._do("GetInfoTask", lambda: self._session.get("ajaxBuildQueue")).text
        return not any(words in pane for words in _SHUTS_DOWN)

    def survey(self, until: float | None = None) -> dict[str, Computer]:
        """All computers, in one request; never a part of them."""
        wanted = "displayName,idle,offline,temporarilyOffline,offlineCauseReason"
        query = {"tree": f"computer[{wanted}],totalExecutors"}
        found = self._do(
            "ListNodesTask", lambda: self._session.get_json("computer/api/json", query), until
        )
        try:
            return parse_computers(found)
        except TargetError as error:
            raise TargetError(f"target {self.target} {error}") from error

    # -- what people ask ---------------------------------------------------------------------------

    def list_computers(self, until: float) -> list[ListedComputer]:
        """All computers, in one request; old masters leave the descriptions out."""
        return self._computers(until).list()

    def described(self, computer: ListedComputer, until: float) -> ListedComputer:
        """With its description, asked for if the list left it out."""
        return self._computers(until).described(computer)

    def _computers(self, until: float) -> TargetComputers:
        return TargetComputers(self.target, self._session, partial(self._do, until=until))

    # -- nodes -------------------------------------------------------------------------------------

    def create_node(self, call: RegisterNode, until: float) -> None:
        """In place of one of that name, if there is one: it would have another address."""
        name = call.node.nodename
        check_name(name)
        form = node_form(call, self._config)
        answer = self._post("CreateNodeTask", "computer/doCreateItem", form, until)
        if answer.status < 400:
            return
        if not self._has_node(name, until):
            raise self._refused("computer/doCreateItem", answer)
        log.warning("Target %s knows %s already: it is replaced", self.target, name)
        self.delete_node(name, until)
        self._await_gone(name, until)
        answer = self._post("CreateNodeTask", "computer/doCreateItem", form, until)
        if answer.status >= 400:
            raise self._refused("computer/doCreateItem", answer)

    def delete_node(self, name: str, until: float) -> None:
        """None of that name is no error; that there is none is only believed of a list."""
        if not is_possible(name):
            return
        path = f"{computer_path(name)}doDelete"
        answer = self._post("DeleteNodeTask", path, {}, until)
        if answer.status == 404:
            # It may be a proxy's: then the list has no answer either.
            if name in self.survey(until):
                raise self._refused(path, answer)
        elif answer.status >= 400:
            raise self._refused(path, answer)

    def _has_node(self, name: str, until: float) -> bool:
        path = f"{computer_path(name)}api/json"
        query = {"tree": "displayName"}
        try:
            self._do("NodeExistsTask", lambda: self._session.get_json(path, query), until)
        except TargetLacks:
            return False
        return True

    def _await_gone(self, name: str, until: float) -> None:
        """A node made while the old one lingers would be given its connection."""
        for _ in range(LOOKS):
            if not self._has_node(name, until):
                return
            if not self.pace.pause(LOOK_SECONDS):
                break
        raise TargetError(f"target {self.target} does not let go of its old {name}")

    def relabel_node(
        self, name: str, label: str, registered: RegisterNode | None, until: float
    ) -> None:
        """`registered`: how the node was made, if that is known. Old masters give nobody the
        node's configuration: there it is configured anew, as a whole."""
        check_name(name)
        path = f"{computer_path(name)}config.xml"
        try:
            found = self._do("GetNodeConfigTask", lambda: self._session.get(path), until)
        except TargetLacks:
            if registered is None:
                raise
            path = f"{computer_path(name)}configSubmit"
            form = node_form(replace(registered, label=label), self._config)
            answer = self._post("SetNodeConfigTask", path, form, until)
        else:
            try:
                body = with_label(found.body, label)
            except TargetError as error:
                raise TargetError(f"target {self.target} {error}") from error
            answer = self._do(
                "SetNodeConfigTask",
                lambda: self._session.post(path, body=body, content_type=_XML),
                until,
            )
        if answer.status >= 400:
            raise self._refused(path, answer)

    def set_offline(self, name: str, until: float) -> None:
        """Have it given no builds; none of that name is no error, if the list has none either."""
        if not is_possible(name):
            return
        try:
            self._do(
                "SetNodeOfflineTask", lambda: set_offline(self._session, name, OFFLINE_WORDS), until
            )
        except TargetLacks:
            if name in self.survey(until):
                raise

    # -- jobs --------------------------------------------------------------------------------------

    def start_job(self, job: str, nodename: str, until: float) -> None:
        """Queue it, once, with the node's name as its parameter NODE."""
        path = f"{job_path(job)}buildWithParameters"
        form = {"NODE": nodename, "delay": "0sec"}
        answer = self._post("StartBuildTask", path, form, until)
        if answer.status >= 400:
            error = self._refused(path, answer)
            raise TargetError(f"{error} (a test job must declare the parameter NODE)")

    # -- builds ------------------------------------------------------------------------------------

    def find_builds(
        self, wanted: Iterable[WantedBuilds], until: float
    ) -> tuple[tuple[ListedBuild, ...], frozenset[str]]:
        """Builds on the wanted nodes; and those nodes that may have had more of them."""
        do = partial(self._do, until=until)
        return find_builds(TargetBuilds(self.target, self._session, do), wanted)

    # -- the pieces --------------------------------------------------------------------------------

    def _post(self, task: str, path: str, form: dict[str, str], until: float) -> Answer:
        """The answer, of any status from 400 that a new try would not change."""

        def post() -> Answer:
            answer = self._session.post(path, form)
            if answer.status not in (400, 404, 500):
                self._session.check(path, answer)
            return answer

        return self._do(task, post, until)

    def _do(self, task: str, call: Callable[[], T], until: float | None = None) -> T:
        if not self.pace.take_turn(until):
            if self.pace.is_closed:
                raise NoTurn(f"target {self.target} is no longer asked")
            raise NoTurn(f"target {self.target} was not asked in time: its calls are held back")
        started = time.monotonic()
        try:
            result = call()
        except JenkinsError as error:
            if isinstance(error, JenkinsNotFound):
                self.pace.went_well()
                raise TargetLacks(str(error)) from error
            if isinstance(error, JenkinsUnavailable):
                self.pace.had_trouble()
                raise TargetUnavailable(str(error)) from error
            # most often the login: then no other call will fare better
            self.pace.had_trouble()
            raise TargetError(str(error)) from error
        finally:
            if self._on_task is not None:
                self._on_task(self.target, task, time.monotonic() - started)
        self.pace.went_well()
        return result

    def _refused(self, path: str, answer: Answer) -> TargetError:
        said = reason_of(answer.text)
        return TargetError(
            f"target {self.target} answers HTTP {answer.status} path=/{path}"
            + (f": {said}" if said else "")
        )
