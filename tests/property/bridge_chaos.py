"""Chance in the bridge's world: what goes wrong, and what must hold all the same.

python -m tests.property.bridge_chaos --seed 7 --worlds 100
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import deque
from dataclasses import dataclass, field
from random import Random

from gearman_plugin_shim import commands as c
from tests.property.bridge_fakes import ClientJob, FakeBuild, FakeMaster
from tests.property.bridge_world import World

#: a world misbehaves so long, then has so long to come to rest
TROUBLE_SECONDS, REST_SECONDS = 60.0, 3000.0
MOST_TRIES = 12


@dataclass
class Want:
    """What a scheduler wants built, through all its submissions."""

    id: int
    function: str
    parameters: dict[str, str]
    tries: int = 0
    uuid: str = ""
    job: ClientJob | None = None
    result: str | None = None
    stop: bool = False
    uuids: list[str] = field(default_factory=list)


class Chaos(World):
    """Three masters, and a scheduler that submits again what it lost."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"bridge {seed}")
        super().__init__("m1", "m2", "m3")
        self.trouble = False
        self.rate = self.random.choice((0.0, 0.02, 0.1))
        self.slowness = self.random.choice((0.05, 0.5, 3.0))
        self.wants: list[Want] = []
        self.flagged: list[FakeBuild] = []
        self.spawned = 0
        self.gone: set[str] = set()
        self.lives: list[tuple[int, float]] = []
        self.steps: deque[str] = deque(maxlen=40)
        for number, master in enumerate(self.masters.values()):
            master.gives_ids = number != 2 or self.chance(0.5)
            for job in ("J", "K"):
                master.add_job(job, "linux", parameters=None)
            master.add_job("solo", "linux", parameters=None, concurrent=False)
            for _ in range(3):
                self.add_node(master)
            self.after(1.0, lambda master=master: self.replace_nodes(master))

    def chance(self, likely: float) -> bool:
        return self.random.random() < likely

    def note(self, text: str) -> None:
        self.steps.append(f"{self.now - 1_700_000_000:8.2f} {text}")

    # The world's own ways.

    def delay(self) -> float:
        if self.trouble and self.chance(self.rate / 2):
            return self.random.random() * self.slowness
        return 0.01 + self.random.random() * 0.04

    def fault(self, command: c.Command) -> str | None:
        if not self.trouble or not self.chance(self.rate):
            return None
        return self.random.choice(("before", "after"))

    def add_node(self, master: FakeMaster) -> None:
        self.spawned += 1
        master.add_node(f"n{self.spawned}", "linux", self.random.choice((1, 1, 2)))

    def replace_nodes(self, master: FakeMaster) -> None:
        """As nodepool: a node that is offline and idle gives way to a new one."""
        for node in list(master.nodes.values()):
            if node.temporarily_offline and not master.running(node.name):
                del master.nodes[node.name]
                self.add_node(master)
        self.dispatch(master)
        self.after(1.0, lambda: self.replace_nodes(master))

    def started(self, build: FakeBuild) -> None:
        self.note(f"{build.master} runs {build.uuid} as {build.id}")

    # The scheduler.

    def want(self) -> None:
        function = self.random.choice(("build:J", "build:K:linux", "build:J:linux", "build:solo"))
        parameters = {
            "SECONDS": str(self.random.choice((0.05, 1, 4, 20))),
            "RESULT": self.random.choice(("SUCCESS", "SUCCESS", "FAILURE", "UNSTABLE")),
        }
        if self.chance(0.3):
            parameters["OFFLINE_NODE_WHEN_COMPLETE"] = "1"
        want = Want(len(self.wants), function, parameters)
        self.wants.append(want)
        self.launch(want)

    def build_by_hand(self) -> None:
        """Somebody pushes a button on a master."""
        master = self.random.choice(list(self.masters.values()))
        if master.up:
            master.post("J", {"SECONDS": str(self.random.choice((0.01, 0.3, 5)))})
            self.dispatch(master)

    def launch(self, want: Want, *, again: bool = False) -> None:
        if not again:
            want.tries += 1
            assert want.tries < MOST_TRIES, f"{want} is built again and again"
            want.uuid = f"u{want.id}-{want.tries}"
            want.uuids.append(want.uuid)
        self.note(f"submit {want.uuid}{' again' if again else ''}")
        want.job = self.submit(want.function, want.uuid, **want.parameters)

    def job_ended(self, job: ClientJob, how: str) -> None:
        super().job_ended(job, how)
        want = next((want for want in self.wants if want.job is job), None)
        if want is None:
            return
        result = self.result_of(job).get("result") if how == "complete" else None
        self.note(f"{how} {want.uuid} {result} {job.exception or ''}")
        if result is not None:
            build = next(b for b in reversed(self.all_builds()) if b.uuid == want.uuid)
            assert not build.building
            expected = "ABORTED" if want.stop else want.parameters["RESULT"]
            told_apart = not build.cut_off or build.cut_in_life == self.life
            allowed = (expected, want.parameters["RESULT"])
            assert result in allowed or not told_apart, f"{want}: {result} {build}"
            assert result == build.result, f"{want}: {result} {build}"
            want.result = result
        elif want.stop:
            want.result = "CANCELED"
        else:
            again = how == "lost" and self.chance(0.8)
            self.after(self.random.random() * 3, lambda: self.launch(want, again=again))

    def stop(self, want: Want) -> None:
        if want.job is None or want.job.end is not None:
            return
        data = self.result_of(want.job)
        if "number" in data or want.job.ref is not None:
            want.stop = True
            name = want.function.split(":")[1]
            manager = data.get("manager", self.random.choice(list(self.masters)))
            number = str(data.get("number", want.uuid))
            self.submit_raw(f"stop:{manager}", f'{{"name":"{name}","number":"{number}"}}'.encode())

    def all_builds(self) -> list[FakeBuild]:
        return [build for master in self.masters.values() for build in master.builds]

    # Accidents.

    def go_wrong(self) -> None:
        master = self.random.choice(list(self.masters.values()))
        accident = self.random.choice(
            (
                *(self.accident_restart, self.accident_network, self.accident_quiet),
                *(self.accident_bridge, self.accident_link, self.accident_cancel),
                *(self.accident_node, self.accident_jobs, self.accident_denied),
                *(self.accident_stop, self.accident_stop, self.accident_restart),
            )
        )
        self.note(f"{accident.__name__} {master.name}")
        accident(master)

    def accident_restart(self, master: FakeMaster) -> None:
        if master.up:
            how = self.random.choice(("kill", "blank", "term"))
            for build in master.running():
                # Two accidents at once are more than can be told apart.
                build.cut_in_life = self.life if self.bridge is not None else 0
            master.stop_all(how)
            self.after(4 + self.random.random() * 150, lambda: self.back(master))

    def accident_network(self, master: FakeMaster) -> None:
        if master.up:
            master.up = False
            self.after(1 + self.random.random() * 100, lambda: self.back(master))

    def back(self, master: FakeMaster) -> None:
        master.up = True
        self.dispatch(master)

    def accident_quiet(self, master: FakeMaster) -> None:
        master.quieting = True
        self.after(self.random.random() * 90, lambda: self.unquiet(master))

    def unquiet(self, master: FakeMaster) -> None:
        master.quieting = False
        self.dispatch(master)

    def accident_bridge(self, _: FakeMaster) -> None:
        if self.bridge is not None:
            self.kill()
            self.after(0.2 + self.random.random() * 40, self.start)

    def accident_link(self, _: FakeMaster) -> None:
        if self.links:
            name = self.random.choice(list(self.links))
            self.lose_link(name)
            self.after(self.random.random() * 5, lambda: self.connect(name))

    def accident_cancel(self, master: FakeMaster) -> None:
        if master.queue:
            item = self.random.choice(master.queue)
            item.cancelled = True
            master.queue.remove(item)

    def accident_node(self, master: FakeMaster) -> None:
        """A node vanishes; what ran on it is lost in the way of its master."""
        if len(master.nodes) > 1:
            name = self.random.choice(list(master.nodes))
            for build in master.running(name):
                build.cut_off = True
                master.end(build, None)
            del master.nodes[name]
            self.gone.add(name)
            self.after(5, lambda: self.add_node(master))

    def accident_jobs(self, master: FakeMaster) -> None:
        job = master.jobs.pop("K", None)
        if job is not None:
            self.after(self.random.random() * 60, lambda: master.jobs.update(K=job))

    def accident_denied(self, master: FakeMaster) -> None:
        master.denied = True

        def allow() -> None:
            master.denied = False

        self.after(self.random.random() * 60, allow)

    def accident_stop(self, _: FakeMaster) -> None:
        open_wants = [want for want in self.wants if want.result is None]
        if open_wants:
            self.stop(self.random.choice(open_wants))

    # The whole.

    def go(self) -> None:
        self.start()
        # What ended before the first look is nobody's business.
        self.run(3)
        self.trouble = True
        until = self.now + TROUBLE_SECONDS
        pace = self.random.choice((1.0, 4.0, 10.0))
        accidents = self.random.choice((5.0, 15.0, 60.0))
        while self.now < until:
            if self.chance(1 / (1 + accidents / pace)):
                self.go_wrong()
            elif self.chance(0.1):
                self.build_by_hand()
            else:
                self.want()
            self.run(self.random.random() * 2 * min(pace, accidents))
        self.trouble = False
        self.run_until(self.is_drained, REST_SECONDS, must=False)
        self.check()

    def is_drained(self) -> bool:
        return (
            all(want.result is not None for want in self.wants)
            and self.bridge is not None
            and self.bridge.running == 0
            and not any(m.queue or m.running() for m in self.masters.values())
            and not self.open
            and all(json_row[2] is not None for json_row in self.journal.values())
        )

    def check(self) -> None:
        waiting = [want for want in self.wants if want.result is None]
        assert not waiting, f"never ended: {waiting}"
        assert self.is_drained(), (self.bridge and self.bridge.running, self.open)
        self.run(60)
        self.check_offline()
        self.check_events()

    def check_offline(self) -> None:
        for master in self.masters.values():
            assert len(master.toggles) == len(set(master.toggles)), "toggled back"
            for build in master.builds:
                flagged = build.parameters.get("OFFLINE_NODE_WHEN_COMPLETE") == "1"
                if not flagged or build.cut_off or build.node in self.gone:
                    continue
                if not any(u for want in self.wants for u in want.uuids if u == build.uuid):
                    continue
                outcome = self.journal[build.uuid or ""][1]
                if '"outcome": "result"' in outcome:
                    assert build.node in master.toggles, f"not set offline: {build}"

    def check_events(self) -> None:
        order = ("onStarted", "onCompleted", "onFinalized")
        told: dict[tuple[int, str, str], list[str]] = {}
        for life, word, value in self.published:
            url = value["build"]["full_url"]
            told.setdefault((life, url, value["name"]), []).append(word)
        for key, words in told.items():
            assert tuple(words) in (order, order[:1], order[1:]), f"{key}: {words}"
        if self.life > 1:
            return
        for build in self.all_builds():
            key = (1, build.info().url or "", build.id.job)
            if not build.vanished:
                assert tuple(told.get(key, ())) == order, f"{build}: {told.get(key)}"


def run_world(seed: int) -> Chaos:
    """One world to its end; AssertionError with the line that replays it."""
    world = Chaos(seed)
    try:
        world.go()
    except Exception as error:
        print(f"replay: python -m tests.property.bridge_chaos --seed {seed} --worlds 1")
        print("\n".join(world.steps))
        raise AssertionError(f"seed {seed}: {error}") from error
    return world


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worlds", type=int, default=100)
    options = parser.parse_args(arguments)
    for seed in range(options.seed, options.seed + options.worlds):
        try:
            run_world(seed)
        except AssertionError:
            traceback.print_exc(file=sys.stdout)
            return 1
    print(f"{options.worlds} worlds from seed {options.seed}: well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
