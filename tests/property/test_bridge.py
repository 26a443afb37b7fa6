"""Many short worlds in which things go wrong; a failure prints the line that replays it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gearman_plugin_shim import bridge, builds, masters, offline, runs, seeking
from tests.property.bridge_chaos import main, run_world

#: worlds, in pieces that show where the time goes
PIECES, SEEDS_IN_PIECE = 8, 20


@pytest.mark.parametrize("piece", range(PIECES))
def test_nothing_breaks_an_invariant(piece: int) -> None:
    for seed in range(piece * SEEDS_IN_PIECE, (piece + 1) * SEEDS_IN_PIECE):
        run_world(seed)


def test_worlds_are_not_idle() -> None:
    worlds = [run_world(seed) for seed in range(1000, 1012)]
    texts = {notice.text for world in worlds for notice in world.notices}
    assert {"Build started", "Job joins its build", "Build adopted"} <= texts
    assert {"Build may be queued", "Master is quieting down", "Result not believed"} <= texts
    ends = {job.end for world in worlds for job in world.jobs}
    assert ends == {"complete", "fail", "lost"}


def test_a_seed_is_a_world() -> None:
    first, second = run_world(3), run_world(3)
    assert list(first.steps) == list(second.steps)
    assert first.published == second.published


def nothing(*_: Any, **__: Any) -> None:
    """Done by the broken ones."""


def post_at_once(state: Any, build: Any) -> None:
    builds.enter(state, build, builds.Phase.KEEPING)
    builds.keep(state, build, posts=1)


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        pytest.param(builds, "seek", post_at_once, id="posts again without a look"),
        pytest.param(runs, "_is_shaken", lambda *_: False, id="believes a dying master"),
        pytest.param(offline, "_send", nothing, id="sets no node offline"),
        pytest.param(seeking, "adopt", nothing, id="forgets what ran before"),
        pytest.param(masters, "take_numbers", nothing, id="misses short builds"),
        pytest.param(builds, "_attach", nothing, id="forgets who joins"),
        pytest.param(bridge.masters, "tick_master", nothing, id="never looks"),
    ],
)
def test_a_broken_bridge_is_caught(
    module: Any, name: str, broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, broken)
    for seed in range(40):
        try:
            run_world(seed)
        except AssertionError:
            return
    pytest.fail("no seed tells")


def test_a_failure_prints_its_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(masters, "tick_master", nothing)
    assert main(["--seed", "7", "--worlds", "1"]) == 1
    assert "python -m tests.property.bridge_chaos --seed 7 --worlds 1" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["--seed", "7", "--worlds", "1"]) == 0
