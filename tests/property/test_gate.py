"""Many short worlds of accidents; a failure prints the line that replays it."""

from __future__ import annotations

import pytest

from tests.property.broken_cores import MUTATIONS, Mutation, find_seed
from tests.property.gate_world import GateWorld, main, run_world

#: worlds, in pieces that show where the time goes
PIECES, SEEDS_IN_PIECE = 10, 20
EVENTS = 80


@pytest.mark.parametrize("piece", range(PIECES))
def test_nothing_breaks_an_invariant(piece: int) -> None:
    for seed in range(piece * SEEDS_IN_PIECE, (piece + 1) * SEEDS_IN_PIECE):
        run_world(seed, EVENTS)


def test_worlds_are_not_idle() -> None:
    """The simulation is worth something only if most of it gets somewhere."""
    worlds = [run_world(seed, 200) for seed in range(5)]
    changes = [change for world in worlds for change in world.gerrit.changes.values()]
    states = {state: sum(c.status == state for c in changes) for state in ("MERGED", "ABANDONED")}
    assert states["MERGED"] > len(changes) / 4
    assert states["ABANDONED"] > 0
    results = {build.result for world in worlds for build in world.gearman.history}
    assert {"SUCCESS", "FAILURE", "ABORTED", None} <= results


def test_a_seed_is_a_world() -> None:
    first, second = run_world(3, 150), run_world(3, 150)
    assert list(first.steps) == list(second.steps)
    assert [b.uuid for b in first.gearman.history] == [b.uuid for b in second.gearman.history]


@pytest.mark.timeout(300)
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_core_is_caught(mutation: Mutation) -> None:
    assert find_seed(mutation) is not None


def test_a_failure_prints_its_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(self: GateWorld) -> None:
        raise AssertionError("it broke")

    monkeypatch.setattr(GateWorld, "expect_drained", break_down)
    assert main(["--seed", "7", "--events", "50"]) == 1
    out = capsys.readouterr().out
    assert "python -m tests.property.gate_world --seed 7 --events 50" in out
    assert "it broke" in out


def test_the_command_tells_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "7", "--events", "60"]) == 0
    assert "1 worlds" in capsys.readouterr().out
