"""What a test does to a sandbox Jenkins and asks of it, from any thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tests.sandbox.jenkins_deeds import Deeds
from tests.sandbox.jenkins_faults import Faults
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Item, Job, Mode, Node, Parameter
from tests.sandbox.jenkins_rows import Rows
from tests.sandbox.jenkins_xml import job_xml, node_xml, read_job, read_node

T = TypeVar("T")

#: what the gate sends with every build, and what the bridge reads
ZUUL_PARAMETERS = (
    *("ZUUL_UUID", "ZUUL_PROJECT", "ZUUL_PIPELINE", "ZUUL_URL", "ZUUL_BRANCH", "ZUUL_CHANGES"),
    *("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE_IDS", "ZUUL_CHANGE", "ZUUL_PATCHSET"),
    *("ZUUL_REFNAME", "ZUUL_OLDREV", "ZUUL_NEWREV", "ZUUL_VOTING", "ZUUL_NODE"),
    *("BASE_LOG_PATH", "LOG_PATH", "OFFLINE_NODE_WHEN_COMPLETE"),
)


@dataclass(frozen=True, slots=True)
class BuildView:
    """A build as it was when asked for; times in ms."""

    job: str
    number: int
    queue_id: int
    node: str
    parameters: dict[str, str]
    building: bool
    result: str | None
    description: str | None
    started_at_ms: int
    duration_ms: int

    @property
    def uuid(self) -> str:
        return self.parameters.get("ZUUL_UUID", "")


class People:
    """The part of SandboxJenkins that is used by tests, on top of `call` and `parts`."""

    modern: bool
    faults: Faults

    @property
    def parts(self) -> tuple[Master, Rows, Deeds]:
        raise NotImplementedError

    def call(self, function: Callable[[], T]) -> T:
        """Run on the server's loop and give what it returns."""
        raise NotImplementedError

    def _with_master(self, function: Callable[[Master], T]) -> T:
        return self.call(lambda: function(self.parts[0]))

    # -- jobs ----------------------------------------------------------------------------------

    def add_job(
        self,
        name: str,
        script: str | Iterable[str] = "true",
        *,
        labels: str | None = None,
        parameters: Iterable[str | Parameter] = ZUUL_PARAMETERS,
        concurrent: bool = True,
        disabled: bool = False,
        quiet_seconds: float | None = None,
        description: str = "",
    ) -> None:
        """A freestyle job, or a new configuration of one; `labels` is an expression. Slashes in
        the name are folders, made as needed."""
        # Hudson 2.2.1 knows no text parameters.
        kind = "Text" if self.modern else "String"
        text = job_xml(
            [script] if isinstance(script, str) else script,
            label=labels,
            parameters=[p if isinstance(p, Parameter) else Parameter(p, kind) for p in parameters],
            concurrent=concurrent,
            disabled=disabled,
            quiet_seconds=quiet_seconds,
            description=description,
            modern=self.modern,
        )

        def add(master: Master) -> None:
            job = master.jobs.get(name) or Job(name, "")
            read_job(job, text, modern=self.modern)
            master.put_job(job)

        self._with_master(add)

    def remove_job(self, name: str) -> None:
        self._with_master(lambda master: master.drop_job(name))

    def rename_job(self, old: str, new: str) -> None:
        self._with_master(lambda master: master.rename_job(old, new))

    def set_disabled(self, name: str, disabled: bool = True) -> None:
        self.call(lambda: self.parts[2].enable(self.parts[0].jobs[name], disabled=disabled))

    # -- nodes ---------------------------------------------------------------------------------

    def add_node(
        self,
        name: str,
        labels: str | Iterable[str] = (),
        executors: int = 1,
        mode: Mode = "NORMAL",
        description: str = "",
    ) -> None:
        """A node, or a new configuration of one; "" is the master's own. `labels` is a list, or
        words."""
        words = labels.split() if isinstance(labels, str) else labels
        wanted = Node(name, frozenset(words), executors, mode, description)
        text = node_xml(wanted, modern=self.modern)

        def add(master: Master) -> None:
            node = master.nodes.get(name) or wanted
            read_node(node, text)
            master.put_node(node)

        self._with_master(add)

    def remove_node(self, name: str) -> None:
        """The node is deleted; its builds are aborted."""
        self._with_master(lambda master: master.drop_node(name))

    def node_xml(self, name: str) -> str:
        """How a node is configured."""
        return self._with_master(lambda master: master.nodes[name].xml)

    def disconnect_node(self, name: str) -> None:
        """The node's agent is lost; its builds fail, and it is offline until `connect_node`."""
        self._with_master(lambda master: master.disconnect(master.nodes[name]))

    def connect_node(self, name: str) -> None:
        def connect(master: Master) -> None:
            master.nodes[name].connected = True
            master.poke()

        self._with_master(connect)

    def set_offline(self, name: str, offline: bool = True, reason: str = "") -> None:
        """Mark temporarily offline, or back; what runs there goes on."""

        def change(master: Master) -> None:
            node = master.nodes[name]
            node.temporarily_offline = offline
            node.offline_reason = reason if offline else ""
            master.put_node(node)

        self._with_master(change)

    def offline(self, name: str) -> str | None:
        """Why a node is temporarily offline; None if it is not."""

        def read(master: Master) -> str | None:
            node = master.nodes[name]
            return node.offline_reason if node.temporarily_offline else None

        return self._with_master(read)

    # -- queue and builds ----------------------------------------------------------------------

    def quiet_down(self, quiet: bool = True) -> None:
        self.call(lambda: self.parts[2].quiet_down(quiet))

    def start_build(self, job: str, **parameters: str) -> int:
        """Queue a build as a person would, without quiet period; returns the queue id."""

        def start(master: Master) -> int:
            found = master.jobs[job]
            values = tuple(
                (p.kind, p.name, parameters.get(p.name, p.default)) for p in found.parameters
            )
            return master.enqueue(found, values, 0.0, "user person").id

        return self._with_master(start)

    def queue(self) -> list[Item]:
        """Copies of what waits."""
        return self._with_master(lambda master: [_copy(i) for i in master.waiting.values()])

    def cancel_queued(self, item_id: int) -> None:
        self._with_master(lambda master: master.cancel(master.waiting[item_id]))

    def stop_build(self, job: str, number: int) -> None:
        self._with_master(lambda master: master.stop_build(master.jobs[job].builds[number]))

    def builds(self, job: str | None = None, uuid: str | None = None) -> list[BuildView]:
        """Builds of a job or of all, oldest first, as they are now."""

        def read(master: Master) -> list[BuildView]:
            jobs = master.jobs.values() if job is None else [master.jobs[job]]
            views = [_view(build) for one in jobs for build in one.builds.values()]
            return sorted(views, key=lambda view: (view.started_at_ms, view.number))

        views = self._with_master(read)
        return views if uuid is None else [view for view in views if view.uuid == uuid]

    def console(self, job: str, number: int) -> str:
        path = self.parts[0].store.log_path(job, number)
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def wait_for(
        self, condition: Callable[[list[BuildView]], object], seconds: float = 20.0
    ) -> list[BuildView]:
        """The builds, as soon as they meet the condition; TimeoutError says what there was."""
        deadline = time.monotonic() + seconds
        while not condition(builds := self.builds()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"builds {builds}, queue {self.queue()}")
            time.sleep(0.02)
        return builds


def _view(build: Build) -> BuildView:
    return BuildView(
        build.job,
        build.number,
        build.queue_id,
        build.node,
        build.parameters,
        build.building,
        build.result,
        build.description,
        build.started_at_ms,
        build.duration_ms,
    )


def _copy(item: Item) -> Item:
    return Item(**{name: getattr(item, name) for name in Item.__slots__})
