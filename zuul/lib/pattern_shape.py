"""What can be told of a regular expression by looking at it.

Two questions are answered, both on the safe side: which literal text must any match contain (so
that most texts are refused without matching), and how many steps a backtracking matcher may take
at worst (so that only harmless pairs of pattern and text are matched without a time box).
"""

from __future__ import annotations

from dataclasses import dataclass, field

_SPECIAL = frozenset("^$.|?*+()[]{}\\")
#: escapes that stand for one class of characters or for a place: they do not repeat anything
_PLAIN_ESCAPES = frozenset("dDsSwWbBAZ")


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a pattern that compiles."""

    #: every match of the whole pattern at the start of a text begins with this
    prefix: str = ""
    #: every text that matches at its start ends with this
    suffix: str = ""
    #: every text with a match has this in it
    needle: str = ""
    #: whether a match can only begin at the start of the text
    anchored: bool = False
    #: worst case: at most `branching * len(text) ** degree` paths; None if nothing can be promised
    degree: int | None = None
    branching: int = 1

    def steps(self, length: int, *, search: bool) -> float:
        """An upper bound on the paths tried in a text of that length."""
        if self.degree is None:
            return float("inf")
        starts = length + 1 if search and not self.anchored else 1
        return starts * self.branching * float(length + 1) ** self.degree


@dataclass(slots=True)
class _Group:
    alternatives: int = 1
    #: whether something inside may match in more than one way
    varies: bool = False


@dataclass(slots=True)
class _Scan:
    pattern: str
    position: int = 0
    degree: int = 0
    branching: int = 1
    safe: bool = True
    alternatives_outside: bool = False
    groups: list[_Group] = field(default_factory=lambda: [_Group()])
    #: runs of literal text outside all groups, the last one still growing
    runs: list[str] = field(default_factory=lambda: [""])

    def run(self) -> None:
        pattern = self.pattern
        while self.position < len(pattern) and self.safe:
            character = pattern[self.position]
            self.position += 1
            if character == "\\":
                self._escape()
                self._quantifier(varies=False)
            elif character == "[":
                self._skip_class()
                self._quantifier(varies=False)
            elif character == "(":
                self._open()
            elif character == ")":
                self._close()
            elif character == "|":
                self.groups[-1].alternatives += 1
            elif character == ".":
                self._quantifier(varies=False)
                self.runs.append("")
            elif character not in "^$":
                self._literal(character)
        self.alternatives_outside = self.groups[0].alternatives > 1
        self.branching *= self.groups[0].alternatives

    def _literal(self, character: str) -> None:
        repeated = self._quantifier(varies=False)
        if len(self.groups) == 1 and not repeated:
            self.runs[-1] += character
        else:
            self.runs.append("")

    def _escape(self) -> None:
        escaped = self.pattern[self.position]
        self.position += 1
        self.runs.append("")
        if escaped.isalnum() and escaped not in _PLAIN_ESCAPES:
            self.safe = False

    def _skip_class(self) -> None:
        pattern = self.pattern
        if pattern.startswith("^", self.position):
            self.position += 1
        self.runs.append("")
        first = True
        while first or pattern[self.position] != "]":
            self.position += 2 if pattern[self.position] == "\\" else 1
            first = False
        self.position += 1

    def _open(self) -> None:
        self.groups.append(_Group())
        self.runs.append("")
        rest = self.pattern[self.position : self.position + 3]
        if not rest.startswith("?"):
            return
        for opener in ("?<=", "?<!", "?:", "?=", "?!"):
            if rest.startswith(opener):
                self.position += len(opener)
                return
        self.safe = False

    def _close(self) -> None:
        group = self.groups.pop()
        self.branching *= group.alternatives
        varies = group.varies or group.alternatives > 1
        self._quantifier(varies=varies)
        self.groups[-1].varies |= varies

    def _quantifier(self, *, varies: bool) -> bool:
        """Take the quantifier, if any, behind an element that `varies` in what it matches."""
        if self.position >= len(self.pattern):
            return False
        character = self.pattern[self.position]
        if character not in "*+?{":
            return False
        if character == "{":
            end = self.pattern.find("}", self.position)
            counts = self.pattern[self.position + 1 : end] if end > 0 else ""
            if not counts.replace(",", "", 1).isdecimal():
                return False
            self.position = end
        self.position += 1
        self.groups[-1].varies = True
        if character == "?":
            self.branching *= 2
        else:
            self.degree += 1
            self.safe = self.safe and not varies
        if self.pattern[self.position : self.position + 1] in ("?", "+"):
            self.position += 1
        return True


def find_shape(pattern: str) -> Shape:
    """The shape of a pattern that `re` compiles."""
    ignores_case = pattern.startswith("(?i)")
    body = pattern[4:] if ignores_case else pattern
    scan = _Scan(body)
    scan.run()
    if not scan.safe:
        return Shape()
    anchored = body.startswith("^") and not scan.alternatives_outside
    literal = anchored and not ignores_case
    contains = not ignores_case and not scan.alternatives_outside
    return Shape(
        prefix=_prefix(body) if literal else "",
        suffix=_suffix(body) if literal else "",
        needle=max(scan.runs, key=len) if contains else "",
        anchored=anchored,
        degree=scan.degree,
        branching=scan.branching,
    )


def _prefix(pattern: str) -> str:
    end = 1
    while end < len(pattern) and pattern[end] not in _SPECIAL:
        end += 1
    if end < len(pattern) and pattern[end] in "*?{":
        end -= 1
    return pattern[1 : max(end, 1)]


def _suffix(pattern: str) -> str:
    """The literal run before a final `$`; a group or class that ends there is none."""
    if not pattern.endswith("$"):
        return ""
    begin = len(pattern) - 1
    while begin > 1 and pattern[begin - 1] not in _SPECIAL:
        begin -= 1
    if pattern[begin - 1] == "\\" and begin < len(pattern) - 1:
        begin += 1
    return pattern[begin : len(pattern) - 1]
