"""A change and all its relatives: git parents, Depends-On targets, and who needs it (3.13).

Pure but for `look_up`, which answers a wave of terms at a time. Bounded in changes and waves:
a footer is written by anybody who can push.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from zuul.drivers.gerrit.queries import (
    Answer,
    Term,
    by_change_id,
    by_dependency,
    by_number,
    is_change_id,
)
from zuul.drivers.gerrit.records import PatchSetId, Row
from zuul.errors import ChangeNotFound, DependencyCycle, TooManyDependencies
from zuul.model.change import Change, ChangeKey

log = logging.getLogger("zuul.GerritSource")

MAX_CHANGES = 1_000
MAX_WAVES = 250
#: a message with more Depends-On footers is refused: to follow some of them would gate it wrongly
MAX_FOOTERS = 50

LookUp = Callable[[Iterable[Term]], Mapping[Term, Answer]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """A change with its relatives, the subject first."""

    changes: tuple[Change, ...]
    #: when the server was asked, of each change (monotonic seconds)
    asked_at: Mapping[ChangeKey, float]

    @property
    def subject(self) -> Change:
        return self.changes[0]


class Closure:
    """One walk. `gather` is called once."""

    def __init__(self, connection: str, look_up: LookUp) -> None:
        self._connection = connection
        self._look_up = look_up
        self._answers: dict[Term, Answer] = {}
        self._rows: dict[str, Row] = {}
        self._asked_at: dict[str, float] = {}

    def gather(self, number: str, patchset: str, known: Mapping[Term, Answer]) -> Gathered:
        """`known`: answers that are at hand. Raises ChangeNotFound, DependencyCycle,
        TooManyDependencies and what look_up raises."""
        self._take(known)
        start = (number, patchset)
        nodes = self._walk(start)
        if not self._is_shown(start):
            raise ChangeNotFound(
                f"the server shows no change {number},{patchset}", connection=self._connection
            )
        needs = {node: self._needs(node) for node in nodes}
        needed_by = {node: self._needed_by(node) for node in nodes}
        # Answers are of different moments: who needs a relative may be newer than its own row.
        for node, others in needs.items():
            for other in others:
                if self._can_need(node) and node not in needed_by.get(other, [node]):
                    needed_by[other].append(node)
        crowded = {node for node in nodes if self._is_crowded(node)}
        broken = find_unsettled(needs, crowded)
        if start in broken:
            raise self._refusal(start, crowded)
        if broken:
            log.warning(
                "Relatives in a cycle, or with too many needs, are left out change=%s,%s: %s",
                number,
                patchset,
                " ".join(f"{n},{p}" for n, p in sorted(broken)),
            )
        changes = tuple(
            self._rows[node[0]].change(
                self._connection,
                node[1],
                (self._key(other) for other in needs[node]),
                (self._key(other) for other in needed_by[node] if other not in broken),
            )
            for node in nodes
            if node not in broken
        )
        return Gathered(changes, {c.key: self._asked_at[c.key.number] for c in changes})

    def _refusal(
        self, start: PatchSetId, crowded: Collection[PatchSetId]
    ) -> DependencyCycle | TooManyDependencies:
        subject = "change {},{}".format(*start)
        if not crowded:
            text = f"{subject} depends on itself through others"
            return DependencyCycle(text, connection=self._connection)
        culprits = " ".join(f"{n},{p}" for n, p in sorted(crowded))
        text = f"{subject} needs changes with over {MAX_FOOTERS} Depends-On lines: {culprits}"
        return TooManyDependencies(text, connection=self._connection)

    # -- the walk ------------------------------------------------------------------------------

    def _walk(self, start: PatchSetId) -> list[PatchSetId]:
        """All relatives in the order found, `start` first; only those the server shows."""
        found = {start: None}
        frontier = [start]
        for _ in range(MAX_WAVES):
            self._fetch(by_number(number) for number, _ in frontier)
            open_nodes = [
                node for node in frontier if node[0] in self._rows and self._expands(node)
            ]
            self._fetch(term for node in open_nodes for term in terms_of(self._rows[node[0]]))
            relatives = dict.fromkeys(
                other for node in open_nodes for other in self._relatives(node)
            )
            frontier = [node for node in relatives if node not in found]
            room = MAX_CHANGES - len(found)
            if len(frontier) > room:
                log.warning(
                    "More than %s changes hang together, the rest is left out change=%s,%s",
                    MAX_CHANGES,
                    *start,
                )
                frontier = frontier[:room]
            if not frontier:
                break
            found.update(dict.fromkeys(frontier))
        return [node for node in found if self._is_shown(node)]

    def _is_shown(self, node: PatchSetId) -> bool:
        row = self._rows.get(node[0])
        return row is not None and node[1] in row.patchsets

    def _expands(self, node: PatchSetId) -> bool:
        # Merged ancestors end the walk; an abandoned one still blocks and is looked at.
        return self._rows[node[0]].status != "MERGED"

    def _relatives(self, node: PatchSetId) -> list[PatchSetId]:
        return [*self._needs(node), *self._needed_by(node)]

    def _needs(self, node: PatchSetId) -> list[PatchSetId]:
        """The git parent while unmerged, then Depends-On targets in footer order."""
        row = self._rows[node[0]]
        if row.status == "MERGED":
            return []
        needs: dict[PatchSetId, None] = {}
        if row.parent is not None and node[1] == row.current:
            parent = self._rows.get(row.parent[0])
            if parent is not None and parent.status != "MERGED":
                needs[row.parent] = None
        for change_id in footers_of(row):
            for target in self._answered(by_change_id(change_id)):
                if target.is_open:
                    needs[target.number, target.current] = None
        return list(needs)

    def _needed_by(self, node: PatchSetId) -> list[PatchSetId]:
        """Open, current changes that need this one, git children first."""
        row = self._rows[node[0]]
        if row.status == "MERGED":
            return []
        found: dict[PatchSetId, None] = {}
        for number, patchset in row.needed_by:
            child = self._rows.get(number)
            if child is not None and child.is_open and child.current == patchset:
                found[number, patchset] = None
        if is_change_id(row.change_id):
            for other in self._answered(by_dependency(row.change_id)):
                if other.is_open:
                    found[other.number, other.current] = None
        found.pop(node, None)
        return list(found)

    def _can_need(self, node: PatchSetId) -> bool:
        row = self._rows[node[0]]
        return row.is_open and row.current == node[1]

    def _is_crowded(self, node: PatchSetId) -> bool:
        row = self._rows[node[0]]
        return self._expands(node) and len(row.depends_on) > MAX_FOOTERS

    # -- answers -------------------------------------------------------------------------------

    def _fetch(self, terms: Iterable[Term]) -> None:
        missing = [term for term in dict.fromkeys(terms) if term not in self._answers]
        missing = [term for term in missing if not self._is_row_known(term)]
        if missing:
            self._take(self._look_up(missing))

    def _is_row_known(self, term: Term) -> bool:
        return term.operator == "change" and term.value in self._rows

    def _take(self, answers: Mapping[Term, Answer]) -> None:
        self._answers.update(answers)
        for answer in answers.values():
            for row in answer.rows:
                if row.number not in self._rows:
                    self._rows[row.number] = row
                    self._asked_at[row.number] = answer.asked_at

    def _answered(self, term: Term) -> tuple[Row, ...]:
        answer = self._answers.get(term)
        return answer.rows if answer is not None else ()

    def _key(self, node: PatchSetId) -> ChangeKey:
        return ChangeKey(self._connection, *node)


def footers_of(row: Row) -> tuple[str, ...]:
    return () if len(row.depends_on) > MAX_FOOTERS else row.depends_on


def terms_of(row: Row) -> Iterator[Term]:
    """What must be known of a change besides its row."""
    if is_change_id(row.change_id):
        yield by_dependency(row.change_id)
    for change_id in footers_of(row):
        yield by_change_id(change_id)
    if row.parent is not None:
        yield by_number(row.parent[0])
    for number, _ in row.needed_by:
        yield by_number(number)


def find_unsettled(
    needs: Mapping[PatchSetId, list[PatchSetId]], unusable: Collection[PatchSetId] = ()
) -> frozenset[PatchSetId]:
    """All nodes from which a cycle or one of `unusable` is reached along `needs`; no recursion.

    Nodes that need only what is settled settle in turn; what never settles reaches a cycle.
    """
    waits = {node: {other for other in others if other in needs} for node, others in needs.items()}
    dependants: dict[PatchSetId, list[PatchSetId]] = {}
    for node, others in waits.items():
        for other in others:
            dependants.setdefault(other, []).append(node)
    for node in unusable:
        waits[node].add(node)
    settled = [node for node, others in waits.items() if not others]
    while settled:
        node = settled.pop()
        del waits[node]
        for dependant in dependants.get(node, ()):
            waits[dependant].discard(node)
            if not waits[dependant]:
                settled.append(dependant)
    return frozenset(waits)
