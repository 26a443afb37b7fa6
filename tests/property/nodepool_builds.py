"""The world's builds: Jenkins gives them to idle nodes, and tells of them, or does not.

Half of the jobs come without OFFLINE_NODE_WHEN_COMPLETE, so that their nodes are given another
build unless nodepool prevents it. `judge` says which second builds it could not have prevented:

* it was dead when the second build began, or has been back for a moment only, and the first one
  began and was over without its being told;
* the line to the publisher is down, or is up again, since a moment;
* the message of the first build is on its way, or came a moment ago, and nodepool's word to
  Jenkins is under way;
* Jenkins was down, is back since less than a survey takes, and nobody had told of the first build;
* Jenkins did not tell its builds, or did not set the node offline, though it was asked to;
* every message of the first build was lost, on a line that was up, and no survey came in between;
* a person holds the node, whose business it is then; or it is being deleted.

A moment is bounded in each case. All other second builds are nodepool's fault.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from nodepool.config.values import NodepoolConfig
from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized, BuildStarted, ListedBuild
from nodepool.core.events import Event
from nodepool.core.pool import Pool
from nodepool.model import Node, NodeState, SnapshotImage
from tests.property.nodepool_cloud import Build, Cloud, Computer, Faults, Jenkins

#: seconds from a build's start to its message's arrival
ON_THE_WAY = 10.0
#: seconds from being told of a build to Jenkins having set its node offline
AT_ONCE = 4.0
#: seconds from being back to the same, with two surveys and two lists of builds on the way
SOON = 60.0
#: seconds from a master's return to the same, with one survey on the way
SEEN = 20.0
#: seconds after a refusal in which it is tried again, several times if need be
AGAIN = 130.0
#: seconds of work in a lull's period
BURST = 40.0
TEST_JOB = "tt"
PUBLISHER = "tcp://publisher:1"
STATUSES = ("SUCCESS", "SUCCESS", "FAILURE", "ABORTED", None)


class Builds:
    """Part of the world."""

    chance: random.Random
    faults: Faults
    now: float
    life: int
    pool: Pool
    config: NodepoolConfig
    nodes: dict[int, Node]
    images: dict[int, SnapshotImage]
    clouds: dict[str, Cloud]
    jenkins: dict[str, Jenkins]
    jobs: dict[str, int]
    accidents: bool
    dead: bool
    with_gearman: bool
    with_history: bool
    history: list[tuple[Build, BuildStarted | BuildFinalized]]
    history_read: int
    finished: int
    later: Callable[..., None]
    tell: Callable[[Event], None]
    crash: Callable[[], None]
    #: the highest max-servers that launches may still rest on
    highest = {"p": 8, "q": 6}
    #: when nodepoold began, or its line to the publisher came up, the last time
    back_at = 0.0
    #: None: the line is down; else messages arrive
    up_since: float | None = None
    #: until then nodepoold has heard all there was; the publisher is there from then on
    heard_until = publishes_at = 0.0
    #: seconds from one burst of work to the next; 0: there is always some
    lull = 0.0
    #: second builds that could not be prevented
    seconds = 0

    def alive(self) -> bool:
        return not self.dead

    def lucky(self, chance: float) -> bool:
        return self.accidents and self.chance.random() < chance

    def answer(self, event: Event, low: float = 0.1, high: float = 3.0) -> None:
        self.later(self.chance.uniform(low, high), lambda: self.tell(event))

    # -- the line to the publisher -----------------------------------------------------------------

    def listen(self) -> None:
        """Nodepoold begins."""
        self.back_at = self.heard_until = self.now
        self.up_since = None
        self.later(self.chance.uniform(0.1, 3), self.connect)
        self.later(self.chance.uniform(0.1, 1), self.survey)

    def connect(self) -> None:
        if self.now < self.publishes_at:
            self.later(self.publishes_at - self.now, self.connect)
            return
        self.up_since = self.back_at = self.now
        self.miss()

    def weather(self) -> None:
        if self.lucky(self.faults.deaf):
            self.publishes_at = self.now + self.chance.choice((1, 30, 400))
            if self.alive() and self.up_since is not None:
                self.heard_until, self.up_since = self.now, None
                self.connect()

    def tell_of_the_line(self) -> None:
        """What is missed while that goes on, or that nothing is; what is on its way was not heard
        yet."""
        if not self.alive():
            return
        if self.up_since is None:
            self.miss()
        else:
            until = max(self.up_since, self.now - ON_THE_WAY)
            self.tell(events.BuildEventsHeard(PUBLISHER, until))

    def miss(self) -> None:
        since, self.heard_until = self.heard_until, self.now
        self.tell(events.BuildEventsMissed(since))
        self.tell(events.BuildEventsHeard(PUBLISHER, self.now))

    def send(self, build: Build, event: BuildStarted | BuildFinalized) -> None:
        """Over the line; doubled, late or lost."""
        self.history.append((build, replace(event, at=self.now)))
        is_start = isinstance(event, BuildStarted)
        if self.dead or self.up_since is None:
            return
        if self.lucky(self.faults.lose_event):
            build.start_lost = build.start_lost or is_start
            return

        def arrive() -> None:
            self.know(build)
            self.tell(event)

        for _ in range(2 if self.lucky(self.faults.double_event) else 1):
            high = ON_THE_WAY if self.lucky(0.1) else 0.5
            self.later(self.chance.uniform(0.01, high), arrive)

    def read_history(self) -> None:
        """All again after a restart."""
        if self.dead or not self.with_history:
            return
        news, self.history_read = self.history[self.history_read :], len(self.history)
        for build, event in news:
            self.know(build)
            self.tell(event)

    def know(self, build: Build) -> None:
        if build.known_at is None and self.alive():
            build.known_at = self.now

    # -- builds ------------------------------------------------------------------------------------

    def run_jobs(self) -> None:
        lull = self.lull
        if lull and self.now % lull > BURST:
            # So that a node that had a build unheard looks ready for long.
            self.jobs = dict.fromkeys(self.jobs, 0)
            return
        for label in self.jobs:
            if self.lucky(0.4 if lull else 0.15):
                self.jobs[label] += self.chance.randint(1, 4)
        for target, jenkins in self.jenkins.items():
            if self.now < jenkins.down_until:
                continue
            for name, computer in list(jenkins.computers.items()):
                there = self.clouds[computer.provider].has(computer.server_id, self.now)
                label = computer.label
                if computer.job or computer.offline or not there or label is None:
                    continue
                if self.jobs[label] > 0:
                    self.jobs[label] -= 1
                    self.start_job(target, name, computer)

    def start_job(self, target: str, name: str, computer: Computer) -> None:
        jenkins = self.jenkins[target]
        earlier = [each for each in jenkins.builds_on(name) if each.job != TEST_JOB]
        if earlier:
            problem = self.judge(jenkins, earlier[0])
            assert not problem, f"{name} serves two builds: {problem}; {earlier}"
            self.seconds += 1
        job = "job-held" if self.lucky(0.02) else "job"
        build = self.begin(jenkins, name, job, plain=self.lucky(0.5))
        computer.job = job
        if build.offline_wanted:

            def bridge() -> None:
                computer.offline = True

            self.later(self.chance.uniform(0.1, 2), bridge, mortal=False)

        def finish() -> None:
            computer.job = None
            computer.offline = computer.offline or build.offline_wanted
            self.finished += 1
            self.end(build, self.chance.choice(STATUSES))

        high = 20 if self.lucky(0.8 if self.faults.lull else 0.3) else 300
        self.later(self.chance.uniform(high / 30, high), finish, mortal=False)

    def begin(self, jenkins: Jenkins, name: str, job: str, *, plain: bool) -> Build:
        build = Build(name, job, len(jenkins.builds) + 1, self.now, not plain)
        jenkins.builds.append(build)
        self.send(build, BuildStarted(name, job, build.number, offline_wanted=not plain))
        return build

    def end(self, build: Build, status: str | None) -> None:
        build.ended_at, build.status = self.now, status
        wanted = build.offline_wanted
        event = BuildFinalized(
            build.nodename, build.job, status, None, build.number, None, offline_wanted=wanted
        )
        self.send(build, event)

    def begin_test(self, target: str, name: str, job: str) -> None:
        build = self.begin(self.jenkins[target], name, job, plain=True)
        status = "FAILURE" if self.lucky(self.faults.script) else "SUCCESS"
        self.later(self.chance.uniform(5, 60), lambda: self.end(build, status), mortal=False)

    def judge(self, jenkins: Jenkins, first: Build) -> str:
        """Why a second build on the first one's node, now, is nodepool's fault; "": it is not."""
        row = next((n for n in self.nodes.values() if n.nodename == first.nodename), None)
        if self.dead or row is None or row.state is NodeState.DELETE:
            return ""
        if row.state is NodeState.HOLD and not (row.comment or "").startswith("Automatically"):
            return ""
        if self.now < jenkins.trouble_at + AGAIN or self.now < self.back_at + SOON:
            return ""
        if first.known_at is None:
            if self.now < jenkins.down_until + SEEN:
                return ""
            moment = ON_THE_WAY if self.up_since is not None else SOON
            if first.start_lost or self.now < first.started_at + moment:
                return ""
            return "it was never told of the first"
        if self.now < first.known_at + AT_ONCE:
            return ""
        return f"it was told of the first {self.now - first.known_at:.1f} s ago"

    # -- what Jenkins is asked ---------------------------------------------------------------------

    def fails(self, jenkins: Jenkins) -> bool:
        return self.now < jenkins.down_until or self.lucky(self.faults.sulk)

    def set_offline(self, call: commands.SetNodeOffline) -> None:
        jenkins = self.jenkins[call.target]
        fails = self.fails(jenkins)
        computer = jenkins.computers.get(call.nodename)
        if computer is not None and not (fails and self.chance.random() < 0.5):
            computer.offline = True
        if not fails:
            self.answer(events.NodeSetOffline(call.node_id))
            return
        jenkins.trouble_at = self.now
        if self.chance.random() < 0.7:
            self.answer(events.NodeNotSetOffline(call.node_id, "500"))

    def list_builds(self, call: commands.ReadBuilds) -> None:
        jenkins = self.jenkins[call.target]
        if self.fails(jenkins):
            lost = self.chance.random() < 0.2
            jenkins.trouble_at = self.now + (300 if lost else 0)
            if not lost:
                self.answer(events.BuildsNotListed(call.target, "500"))
            return
        unsure = {each.nodename for each in call.wanted if self.lucky(self.faults.unsure)}
        found = [
            (build, listed)
            for wanted in call.wanted
            if wanted.nodename not in unsure
            for build in jenkins.builds_on(wanted.nodename)
            if (listed := row_of(build, jenkins.ahead)).started_at >= wanted.since
            and wanted.job in (None, build.job)
        ]

        def arrive() -> None:
            for build, _ in found:
                self.know(build)
            rows = tuple(row for _, row in found)
            self.tell(events.BuildsListed(call.target, rows, frozenset(unsure)))

        self.later(self.chance.uniform(0.1, 3), arrive)

    def survey(self) -> None:
        if not self.alive():
            return
        for name, jenkins in self.jenkins.items():
            if self.now < jenkins.down_until:
                self.tell(events.TargetChecked(name, online=False))
                continue
            self.tell(events.TargetChecked(name, online=True))
            found = {
                node: events.Computer(c.job is None, c.offline, spent=c.offline)
                for node, c in jenkins.computers.items()
            }
            self.answer(events.TargetSurveyed(name, found, self.now), 0.1, 5)

    def read_demand(self) -> None:
        if self.alive() and self.with_gearman:
            running = [
                c.label for j in self.jenkins.values() for c in j.computers.values() if c.job
            ]
            demand = {label: count + running.count(label) for label, count in self.jobs.items()}
            self.answer(events.DemandRead(demand, self.now), 0.1, 1)


def row_of(build: Build, ahead: float) -> ListedBuild:
    """As Jenkins lists it now, by its own clock."""
    over = build.ended_at is not None
    return ListedBuild(
        build.nodename,
        build.job,
        build.number,
        build.started_at + ahead,
        not over,
        build.status,
        build.ended_at - build.started_at if build.ended_at is not None else None,
        None,
        build.offline_wanted,
    )
