"""Masters, a Gearman server and a journal in memory, for the bridge's heart to act on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gearman_plugin_shim.model import BuildId, BuildInfo, Computer, Executor, Job, JobRef, QueueItem


@dataclass
class FakeBuild:
    """A build on a fake master; `parameters` may carry RESULT and SECONDS."""

    master: str
    id: BuildId
    parameters: dict[str, str]
    node: str
    executor: int
    started_at: float
    ends_at: float
    building: bool = True
    result: str | None = None
    vanished: bool = False
    #: cut off by its master's end, not by itself
    cut_off: bool = False
    #: the bridge's life in which that was; 0: between two
    cut_in_life: int = 0
    stopped: bool = False
    described: str = ""

    @property
    def uuid(self) -> str | None:
        return self.parameters.get("ZUUL_UUID")

    def info(self, detailed: bool = True) -> BuildInfo:
        return BuildInfo(
            self.id,
            dict(self.parameters) if detailed else None,
            self.building,
            self.result,
            self.node if detailed else None,
            self.started_at if detailed else None,
            estimated_ms=5000 if detailed else -1,
            url=f"http://{self.master}/job/{self.id.job}/{self.id.number}/",
        )


@dataclass
class Waiting:
    id: int
    job: str
    parameters: dict[str, str]
    cancelled: bool = False


@dataclass
class FakeMaster:
    """A Jenkins that does what it is told at once, when it is up."""

    name: str
    jobs: dict[str, Job] = field(default_factory=dict)
    nodes: dict[str, Computer] = field(default_factory=dict)
    queue: list[Waiting] = field(default_factory=list)
    #: every item there ever was
    items: list[Waiting] = field(default_factory=list)
    builds: list[FakeBuild] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    up: bool = True
    quieting: bool = False
    denied: bool = False
    gives_ids: bool = True
    hold_queue: bool = False
    toggles: list[str] = field(default_factory=list)
    posts: list[dict[str, str]] = field(default_factory=list)
    next_item: int = 1

    def add_job(self, name: str, label: str | None = None, **kwargs: object) -> None:
        kwargs.setdefault("parameters", frozenset({"ZUUL_UUID", "OFFLINE_NODE_WHEN_COMPLETE"}))
        self.jobs[name] = Job(name, label, **kwargs)  # type: ignore[arg-type]

    def add_node(self, name: str, labels: str = "", executors: int = 1, **kwargs: object) -> None:
        names = frozenset(labels.split()) | {name}
        self.nodes[name] = Computer(name, name, names, executors, **kwargs)  # type: ignore[arg-type]

    def post(self, job: str, parameters: dict[str, str]) -> Waiting:
        item = Waiting(self.next_item, job, dict(parameters))
        self.next_item += 1
        self.queue.append(item)
        self.items.append(item)
        self.posts.append(dict(parameters))
        return item

    def running(self, node: str | None = None) -> list[FakeBuild]:
        return [b for b in self.builds if b.building and (node is None or b.node == node)]

    def dispatch(self, now: float) -> list[FakeBuild]:
        """Start what can start."""
        started = []
        if not self.up or self.quieting or self.hold_queue:
            return []
        for item in list(self.queue):
            job = self.jobs.get(item.job)
            if job is None:
                self.queue.remove(item)
                continue
            if not job.concurrent and any(b.id.job == item.job for b in self.running()):
                continue
            place = self.place(job)
            if place is None:
                continue
            self.queue.remove(item)
            number = self.numbers[item.job] = self.numbers.get(item.job, 0) + 1
            seconds = float(item.parameters.get("SECONDS", "5"))
            build = FakeBuild(
                *(self.name, BuildId(item.job, number), item.parameters, *place),
                *(now, now + seconds),
            )
            self.builds.append(build)
            started.append(build)
        return started

    def place(self, job: Job) -> tuple[str, int] | None:
        for node in self.nodes.values():
            if node.offline or node.temporarily_offline:
                continue
            if job.label_expression is None and node.exclusive:
                continue
            if job.label_expression is not None and job.label_expression not in node.labels:
                continue
            busy = {build.executor for build in self.running(node.name)}
            free = [n for n in range(node.executors) if n not in busy]
            if free:
                return node.name, free[0]
        return None

    def end(self, build: FakeBuild, result: str | None) -> None:
        if build.building:
            build.building, build.result = False, result

    def computers(self, detailed: bool) -> tuple[Computer, ...]:
        rows = []
        for node in self.nodes.values():
            runs = [
                Executor(b.executor, replace(b.info(detailed), node=None))
                for b in self.running(node.name)
            ]
            rows.append(replace(node, busy=tuple(runs)))
        return tuple(rows)

    def job_rows(self) -> tuple[Job, ...]:
        rows = []
        for job in self.jobs.values():
            numbers = [b.id.number for b in self.builds if b.id.job == job.full_name]
            kept = [
                b.id.number for b in self.builds if b.id.job == job.full_name and not b.vanished
            ]
            rows.append(replace(job, last_build=max(kept, default=0) if numbers else 0))
        return tuple(rows)

    def queue_rows(self) -> tuple[QueueItem, ...]:
        return tuple(
            QueueItem(item.id, item.job, item.parameters.get("ZUUL_UUID")) for item in self.queue
        )

    def find(self, build: BuildId) -> FakeBuild | None:
        return next((b for b in self.builds if b.id == build and not b.vanished), None)

    def stop_all(self, how: str) -> None:
        """End as a process: `kill` (builds and queue vanish), `blank`, or `term`."""
        self.up = False
        for build in self.running():
            build.cut_off = True
            self.end(build, "FAILURE" if how == "term" else None)
            build.vanished = how == "kill"
        if how != "term":
            self.queue.clear()


@dataclass
class ClientJob:
    """A job at the fake server, with what was reported on it."""

    function: str
    unique: str
    payload: bytes
    ref: JobRef | None = None
    data: list[bytes] = field(default_factory=list)
    statuses: list[tuple[int, int]] = field(default_factory=list)
    #: complete, fail, lost
    end: str | None = None
    exception: str | None = None


@dataclass
class FakeLink:
    name: str
    client_id: str
    functions: frozenset[str]
    total: int
    generation: int = 0
    taken: int = 0
    retired: bool = False
