"""What a push means: refs/for/BRANCH makes changes, other refs move if one may move them."""

from __future__ import annotations

from urllib.parse import unquote

from tests.sandbox.gerrit_git import ZERO
from tests.sandbox.gerrit_model import ADMINISTRATORS, SERVICE_USERS, Account
from tests.sandbox.gerrit_packs import PushOutcome, RefCommand, RefResult
from tests.sandbox.gerrit_reviews import Refused, Reviews
from tests.sandbox.gerrit_uploads import PushOptions, Uploaded, Uploads

_FOR = "refs/for/"


def receive(uploads: Uploads, project: str, by: Account, commands: list[RefCommand]) -> PushOutcome:
    """Carry out a push whose objects are in the repository already."""
    made: list[Uploaded] = []
    results: list[RefResult] = []
    messages = f"Processing changes: refs: {len(commands)}, done    \n"
    for command in commands:
        try:
            if command.ref.startswith(_FOR):
                made += _upload(uploads, project, by, command)
            else:
                _move(uploads.reviews, project, by, command)
            results.append(RefResult(command.ref, None))
        except Refused as refusal:
            first, _nl, _rest = str(refusal).partition("\n")
            results.append(RefResult(command.ref, first))
            if "missing Change-Id" in first:
                messages += f"ERROR: {first}\n\n{_HINT}"
    if made:
        messages += "\nSUCCESS\n\n"
        for uploaded in made:
            new = " [NEW]" if uploaded.is_new else ""
            change = uploaded.change
            messages += f"  {uploads.reviews.change_url(change)} {change.subject}{new}\n"
        messages += "\n"
    return PushOutcome(messages, results)


_HINT = (
    "Hint: to automatically insert a Change-Id, install the hook\n"
    "and then amend the commit:\n"
    "  git commit --amend --no-edit\n"
    "Finally, push your changes again\n\n"
)


def parse_options(text: str) -> PushOptions:
    """What follows the `%`: `topic=x,r=name,m=text,wip,ready,l=Verified+1`."""
    topic = message = None
    wip: bool | None = None
    reviewers: list[str] = []
    labels: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _equals, value = part.partition("=")
        if name == "topic":
            topic = value
        elif name in ("m", "message"):
            message = unquote(value.replace("_", " "))
        elif name in ("r", "reviewer"):
            reviewers.append(value)
        elif name in ("l", "label"):
            label, sign, digits = _split_vote(value)
            labels[label] = sign * digits
        elif name in ("wip", "work-in-progress", "ready"):
            wip = name != "ready"
        elif name not in ("notify", "cc", "hashtag", "t", "private", "trace"):
            raise Refused(f'"--{name}" is not a valid option')
    return PushOptions(topic, message, wip, tuple(reviewers), labels)


def _split_vote(text: str) -> tuple[str, int, int]:
    for position in range(len(text) - 1, 0, -1):
        if text[position] in "+-" and text[position + 1 :].isdigit():
            sign = -1 if text[position] == "-" else 1
            return text[:position], sign, int(text[position + 1 :])
    return text, 1, 1


def _upload(uploads: Uploads, project: str, by: Account, command: RefCommand) -> list[Uploaded]:
    target, _percent, options = command.ref.removeprefix(_FOR).partition("%")
    branch = target.removeprefix("refs/heads/")
    if command.new == ZERO:
        raise Refused("cannot delete a review")
    return uploads.upload(project, branch, command.new, by, parse_options(options))


def _move(reviews: Reviews, project: str, by: Account, command: RefCommand) -> None:
    """Push to a branch or tag without review."""
    repository = reviews.repository(project)
    verb = "create" if command.old == ZERO else "delete" if command.new == ZERO else "update"
    may = bool({ADMINISTRATORS, SERVICE_USERS} & by.groups)
    if not may or not command.ref.startswith(("refs/heads/", "refs/tags/")):
        raise Refused(f"prohibited by Gerrit: not permitted: {verb}")
    current = repository.ref(command.ref) or ZERO
    if current != command.old:
        raise Refused("failed to lock")
    moves_on = ZERO in (command.old, command.new) or repository.is_ancestor(
        command.old, command.new
    )
    if not moves_on and ADMINISTRATORS not in by.groups:
        raise Refused("non-fast-forward")
    repository.set_ref(command.ref, command.new)
    reviews.events.ref_updated(project, command.ref, current, command.new, by)
