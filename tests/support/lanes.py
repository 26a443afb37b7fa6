"""Lanes: which tests of a run go to which worker, and what each begins with.

xdist's worksteal gives the first worker the first part of the list, the second the next, and one
that has nothing left takes from the end of what another has. So each part begins with what takes
long, and ends with what takes no time; and who uses the same service stays together, since each
worker starts its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: seconds that a test takes, by its first folder, more or less; the others' take next to none
SECONDS = {"acceptance": 25.0, "contract": 1.5, "property": 1.5, "integration": 1.2}
#: fixtures that start a database server
DATABASES = frozenset({"database_url", "database_server", "mariadb", "postgres"})


def block_of(parts: Sequence[str], fixtures: Sequence[str] = ()) -> tuple[str, ...]:
    """What is done by one worker, of a file below tests/: of contract/test_gerrit_x.py all that
    is of Gerrit, all that needs the database servers, else the file. () is of no weight."""
    folder, *rest = parts
    if folder not in SECONDS:
        return ()
    if not DATABASES.isdisjoint(fixtures):
        return ("databases",)
    if folder == "contract":
        return (folder, rest[-1].split("_")[1])
    return (folder, *rest)


def arranged(blocks: Sequence[tuple[tuple[str, ...], float]], lanes: int) -> list[int]:
    """The order, as positions, of tests of which each one's block and seconds are told."""
    light: list[int] = []
    heavy: dict[tuple[str, ...], list[int]] = {}
    seconds: dict[tuple[str, ...], float] = {}
    for position, (block, each) in enumerate(blocks):
        if block:
            heavy.setdefault(block, []).append(position)
            seconds[block] = seconds.get(block, 0.0) + each
        else:
            light.append(position)
    return _filled(_shared_out(heavy, seconds, lanes), light, len(blocks))


def _shared_out(
    heavy: Mapping[tuple[str, ...], list[int]], seconds: Mapping[tuple[str, ...], float], lanes: int
) -> list[list[int]]:
    """The longest block first, to the lane that has least to do."""
    found: list[list[int]] = [[] for _ in range(lanes)]
    loads = [0.0] * lanes
    for block in sorted(heavy, key=lambda block: -seconds[block]):
        lane = loads.index(min(loads))
        found[lane] += heavy[block]
        loads[lane] += seconds[block]
    return found


def _filled(lanes: Sequence[list[int]], light: Sequence[int], count: int) -> list[int]:
    """Each lane is made as long as the part that xdist cuts off for it."""
    order: list[int] = []
    used = 0
    for number, lane in enumerate(lanes):
        end = count if number == len(lanes) - 1 else (number + 1) * count // len(lanes)
        room = max(end - len(order) - len(lane), 0)
        order += [*lane, *light[used : used + room]]
        used += room
    return [*order, *light[used:]]
