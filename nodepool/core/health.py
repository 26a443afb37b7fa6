"""Health: how many creates a provider may be asked for now.

A refusal pauses a provider, twice as long each time; the first create after a pause goes alone.
So do servers that come to nothing one after the other: that go to ERROR, which is how a cloud
without room for them says no, that get no address, that nobody can log into. The cloud's own quota
counts beside max-servers, so that few creates are refused at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nodepool.core.steps import Step
from nodepool.model import Fault, MachineKey

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
#: creates under way at once: what goes wrong with one goes wrong with all that follow it
MAX_UNDER_WAY = 50
#: of the time for a launch, what its create may wait for its turn
SHARE_OF_TIMEOUT = 0.25
#: failures in a row at a step that mean nothing: any cloud has a server that fails now and then
MAX_FAILURES = 2
#: characters kept of a reason, which is from outside
MOST_TEXT = 300
#: of pauses for what may work elsewhere, or with another image, key or script
LONGEST_DOUBT = 120.0


def back_off(attempt: int, first: float, longest: float) -> float:
    """Seconds before the next try, after so many tries that failed."""
    return min(first * float(2 ** min(attempt - 1, 20)), longest)


def in_short(text: str) -> str:
    """One line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MOST_TEXT]).split())
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 1]}\u2026"


def most_under_way(rate: float, launch_timeout: float) -> int:
    """Creates at once that all get their turn in good time; `rate`: seconds between two calls."""
    turns = launch_timeout * SHARE_OF_TIMEOUT
    return MAX_UNDER_WAY if turns >= MAX_UNDER_WAY * rate else int(turns / rate)


@dataclass(slots=True)
class Stalls:
    """Failures in a row at one step, and the pauses for them."""

    #: what failed at a step since something got past it; the pauses for that, and the step
    failures: Counter[Step] = field(default_factory=Counter)
    stalls: int = 0
    stalled_at: Step = Step.BOOT
    #: the end of the last one
    stalled_until: float = 0.0
    #: of the last one, in short
    reason: str = ""

    def went_wrong(self, step: Step, now: float) -> float:
        """The pause in seconds, or 0."""
        self.failures[step] += 1
        if self.failures[step] <= MAX_FAILURES or now < self.stalled_until:
            return 0.0  # or asked for before the pause began
        self.stalls += 1
        self.stalled_at = step
        pause = self._stall()
        self.stalled_until = now + pause
        return pause

    def went_well(self, step: Step) -> bool:
        """Something got past the step; whether that ends a pause."""
        self.failures[step] = 0
        if not self.stalls or self.stalled_at is not step:
            return False
        self.start_anew()
        return True

    def start_anew(self) -> None:
        """What made things fail may have been mended."""
        self.failures.clear()
        self.stalls = 0
        self.stalled_until = 0.0

    def _stall(self) -> float:
        longest = LONGEST_PAUSE if self.stalled_at is Step.BOOT else LONGEST_DOUBT
        return back_off(self.stalls, FIRST_PAUSE, longest)


@dataclass(slots=True)
class Health(Stalls):
    """Of one provider, whose servers may fail at BOOT, ADDRESS or CONNECT; in memory only."""

    refusals: int = 0
    blocked_until: float = 0.0
    #: what the last one said, in short
    refusal: str = ""
    #: the end of the time given to the create that followed the last stall
    trial_until: float = 0.0
    #: creates that are not answered
    under_way: set[MachineKey] = field(default_factory=set)
    #: servers the account has room for besides those that we know of; None: no bound known
    room: int | None = None
    #: when the account was asked for it
    room_at: float = 0.0
    #: when creates since then were answered
    answered: list[float] = field(default_factory=list)
    #: a server went since it was last asked for, so that it has to be asked for again
    ask_again: bool = False

    def allowance(self, now: float, largest: int, most: int = MAX_UNDER_WAY) -> int:
        """Machines that may be asked for at this moment; `largest`: those of the largest node,
        which may always go by itself; `most`: under way at once."""
        if now < self.paused_until:
            return 0
        if self.refusals or self.stalls:
            allowed = 0 if self.under_way else largest
        else:
            allowed = max(0, max(most, largest) - len(self.under_way))
        return allowed if self.room is None else max(0, min(allowed, self.room))

    @property
    def paused_until(self) -> float:
        """When the next create may go out."""
        return max(self.blocked_until, self.stalled_until, self.trial_until)

    def asked(self, key: MachineKey, now: float) -> None:
        """While servers fail the fate of this one is waited for, for a while."""
        self.under_way.add(key)
        if self.room is not None:
            self.room -= 1
        if self.stalls:
            self.trial_until = now + self._stall()

    def created(self, key: MachineKey, now: float) -> None:
        if key in self.under_way:
            self.under_way.discard(key)
            self.answered.append(now)
        self.refusals = 0

    def failed(self, key: MachineKey, fault: Fault, now: float) -> float:
        """The pause in seconds; 0 for another answer to what is answered."""
        if key not in self.under_way:
            return 0.0
        self.under_way.discard(key)
        if self.room is not None and not fault.leaves_doubt:
            self.room += 1
            if fault is Fault.QUOTA:
                self.room = 0
        if now < self.blocked_until:
            return 0.0  # asked before the pause began
        self.refusals += 1
        pause = back_off(self.refusals, FIRST_PAUSE, LONGEST_PAUSE)
        self.blocked_until = now + pause
        return pause

    def start_anew(self) -> None:
        Stalls.start_anew(self)
        self.trial_until = 0.0

    def freed(self, deleted_at: float | None) -> bool:
        """A server that took room is gone; `deleted_at`: when that was asked for, None: never.

        True: the account may have counted it as gone already, so that it must be asked again.
        """
        if self.room is None:
            return False
        if deleted_at is not None and deleted_at > self.room_at:
            self.room += 1
            return False
        return self.room <= 0

    def limits(self, room: int | None, asked_at: float) -> None:
        """The account's word. Creates under way, or answered since, may not be in it."""
        if asked_at < self.room_at:
            return
        self.room_at = asked_at
        self.answered = [at for at in self.answered if at >= asked_at]
        taken = len(self.under_way) + len(self.answered)
        self.room = None if room is None else max(0, room - taken)
