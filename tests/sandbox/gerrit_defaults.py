"""The accounts and labels a sandbox Gerrit starts with: those `tests.support.real_gerrit` makes."""

from __future__ import annotations

from tests.sandbox.gerrit_model import (
    ADMINISTRATORS,
    REGISTERED_USERS,
    SERVICE_USERS,
    Account,
    Kind,
    Label,
)

PASSWORD = "secret"
_FULL = (-2, 2)
_ONE = (-1, 1)

CODE_REVIEW = Label(
    "Code-Review",
    {
        -2: "This shall not be submitted",
        -1: "I would prefer this is not submitted as is",
        0: "No score",
        1: "Looks good to me, but someone else must approve",
        2: "Looks good to me, approved",
    },
    {ADMINISTRATORS: _FULL, SERVICE_USERS: _FULL, REGISTERED_USERS: _ONE},
    legacy=True,
    old_type="CRVW",
    copied_on=frozenset({Kind.NO_CHANGE, Kind.TRIVIAL_REBASE}),
    copy_lowest=True,
)
VERIFIED = Label(
    "Verified",
    {-2: "Fails", -1: "Does not seem to work", 0: "No score", 1: "Works for me", 2: "Verified"},
    {ADMINISTRATORS: _FULL, SERVICE_USERS: _FULL},
    old_type="VRIF",
)
WORKFLOW = Label(
    "Workflow",
    {-1: "Work in progress", 0: "Ready for reviews", 1: "Approved"},
    {ADMINISTRATORS: _ONE, SERVICE_USERS: _ONE},
    old_type="APRV",
)
#: In 2013 the third column was called so.
APPROVED = Label("Approved", WORKFLOW.values, WORKFLOW.ranges, old_type="APRV")

MODERN_LABELS = (VERIFIED, CODE_REVIEW, WORKFLOW)
LEGACY_LABELS = (VERIFIED, CODE_REVIEW, APPROVED)

#: username -> (full name, email, groups)
PEOPLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "admin": ("Administrator", "admin@example.com", (ADMINISTRATORS,)),
    "zuul": ("Zuul CI", "zuul@example.org", (SERVICE_USERS,)),
    "dev": ("Dana Developer", "dev@example.org", ()),
    "core": ("Cora Reviewer", "core@example.org", (ADMINISTRATORS,)),
}


def default_accounts() -> list[Account]:
    return [
        Account(1000000 + i, username, name, email, frozenset(groups))
        for i, (username, (name, email, groups)) in enumerate(PEOPLE.items())
    ]
