"""A world around the bridge's heart with a job and a node, and what tests ask of it."""

from __future__ import annotations

from gearman_plugin_shim import commands as c
from tests.property.bridge_fakes import ClientJob, FakeMaster
from tests.property.bridge_world import World


def make_world(*names: str, executors: int = 2, **options: object) -> tuple[World, FakeMaster]:
    world = World(*names, **options)
    for master in world.masters.values():
        master.add_job("J", "linux")
        master.add_node(f"{master.name}-n1", "linux", executors)
    world.start()
    world.run(3)
    return world, next(iter(world.masters.values()))


def registered(world: World) -> set[str]:
    return {name for link in world.links.values() for name in link.functions if "build:" in name}


def ended(world: World, job: ClientJob, seconds: float = 60) -> str | None:
    world.run_until(lambda: job.end is not None, seconds)
    return world.result_of(job).get("result")


def fail_once(world: World, kind: type, how: str, times: int = 1) -> None:
    left = [times]

    def fault(command: c.Command) -> str | None:
        if isinstance(command, kind) and left[0]:
            left[0] -= 1
            return how
        return None

    world.fault = fault  # type: ignore[method-assign]
