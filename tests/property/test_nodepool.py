"""Many worlds of clouds and accidents; a failure prints the line that replays it."""

from __future__ import annotations

import pytest

from tests.property.nodepool_broken import MUTATIONS, Mutation, find_seed
from tests.property.nodepool_cloud import AWAY, DEAF, NONE, Faults
from tests.property.nodepool_world import World, main, run_world

PIECES, SEEDS_IN_PIECE, SECONDS = 5, 6, 3000.0


@pytest.mark.parametrize("piece", range(PIECES))
def test_nothing_leaks_and_nobody_waits(piece: int) -> None:
    for seed in range(piece * SEEDS_IN_PIECE, (piece + 1) * SEEDS_IN_PIECE):
        run_world(seed, SECONDS)


@pytest.mark.parametrize("piece", range(3))
def test_no_node_serves_two_builds(piece: int) -> None:
    """But for those that nobody could have prevented (nodepool_builds.py)."""
    worlds = [run_world(seed, SECONDS, DEAF) for seed in range(piece * 5, piece * 5 + 5)]
    assert sum(world.finished for world in worlds) > 100


def test_nor_if_nodepoold_is_away_for_whole_builds() -> None:
    worlds = [run_world(seed, SECONDS, AWAY) for seed in range(8)]
    assert sum(world.finished for world in worlds) > 100
    assert sum(world.crashes for world in worlds) > 20
    assert all(world.heard.targets for world in worlds)


def test_worlds_are_not_idle() -> None:
    worlds = [run_world(seed, 4000) for seed in range(4)]
    assert sum(world.finished for world in worlds) > 100
    assert sum(world.crashes for world in worlds) > 5
    assert all(jenkins.builds for world in worlds for jenkins in world.jenkins.values())
    told = set().union(*(world.observer.counts for world in worlds))
    assert {
        "launch_ended ready",
        "launch_ended error.status",
        "launch_ended error.ssh",
        "launch_ended error.unknown",
        "event_made_up",
        "hold_ended",
        "event_passed_over",
        "server_leaked",
        "provider_refused",
        "launches_paused",
        "launches_resumed",
        "image_ended",
    } <= told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("faults", "most", "seeds"), [(NONE, 0.0, 4), (Faults(), 0.03, 12)])
def test_few_creates_are_refused_for_want_of_quota(faults: Faults, most: float, seeds: int) -> None:
    """Without accidents none is, though others use the same account; servers that nobody reckons
    with make some."""
    worlds = [run_world(seed, 4000, faults) for seed in range(seeds)]
    clouds = [cloud for world in worlds for cloud in world.clouds.values()]
    assert sum(c.refused for c in clouds) <= most * sum(c.creates for c in clouds)


def test_a_seed_is_a_world() -> None:
    first, second = run_world(5, 1500), run_world(5, 1500)
    assert first.observer.told == second.observer.told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_core_is_caught(mutation: Mutation) -> None:
    assert find_seed(mutation) is not None


def test_a_failure_prints_its_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(self: World) -> None:
        raise AssertionError("it broke")

    monkeypatch.setattr(World, "drain", break_down)
    with pytest.raises(AssertionError, match=r"it broke\n.*--seed 7 --seconds 50"):
        run_world(7, 50)


def test_the_command_tells_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "7", "--seconds", "500"]) == 0
    assert capsys.readouterr().out.startswith("seed 7: ")
