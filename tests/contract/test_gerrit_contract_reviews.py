"""`gerrit review`: quoting, votes, mistakes; on the sandbox and on a real Gerrit."""

from __future__ import annotations

import pytest

from tests.contract.gerrit_site import GerritSite, pushed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

AWKWARD = {
    "single quote": ('"it\'s"', "it's"),
    "escaped double quote": (r'"say \"no\""', 'say "no"'),
    "command": ('"a; rm -rf $HOME `id`"', "a; rm -rf $HOME `id`"),
    "option in quotes": ('"x --submit --verified 2"', "x --submit --verified 2"),
    "leading dash": ("-x", "-x"),
    "lines": ('"one\ntwo\n\n* three"', "one\ntwo\n\n* three"),
    "backslash": (r'"a\\b"', r"a\b"),
    "lost backslash": (r'"a\nb"', "anb"),
    "unicode": ('"Grüße, 世界 \U0001f680"', "Grüße, 世界 \U0001f680"),
    "blank ends": ('"  middle \n\n"', "middle"),
    "single quotes keep": ("'a \"b\" \\n c'", 'a "b" \\n c'),
    "joined": ("a'b c'\"d e\"", "ab cd e"),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_message_arrives(site: GerritSite, name: str) -> None:
    written, expected = AWKWARD[name]
    upload = site.any_upload
    said = site.review(f"--project {upload.project} --message {written} {upload.number},1")
    assert said.exit_code == 0, said.stderr
    comments = site.row(f"--comments {upload.number}")["comments"]
    assert comments[-1]["message"] == f"Patch Set 1:\n\n{expected}"


def test_votes_are_seen(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    target = f"--project {project} {upload.number},1"
    for words in ("--label Verified=1", "--verified 2", "--label Verified=-1", "--verified=+1"):
        assert site.review(f"{words} {target}").exit_code == 0
    row = site.row(f"--current-patch-set --comments {upload.number}")
    votes = [(a["type"], a["value"]) for a in row["currentPatchSet"]["approvals"]]
    assert votes == [("Verified", "1")]
    assert [c["message"] for c in row["comments"]][1:] == [
        "Patch Set 1: Verified+1",
        "Patch Set 1: Verified+2",
        "Patch Set 1: Verified-1",
        "Patch Set 1: Verified+1",
    ]
    assert site.review(f"--verified 0 {target}").exit_code == 0
    assert "approvals" not in site.row(f"--current-patch-set {upload.number}")["currentPatchSet"]


def test_a_commit_names_a_patch_set_too(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    said = site.review(f"--project {project} --verified 1 {upload.revision}")
    assert said.exit_code == 0, said.stderr


def test_labels_and_values_that_do_not_exist_are_passed_over(site: GerritSite) -> None:
    upload = site.any_upload
    said = site.review(f"--label Nope=1 --label Verified=7 --message x {upload.number},1")
    assert said.exit_code == 0
    assert "approvals" not in site.row(f"--current-patch-set {upload.number}")["currentPatchSet"]


@pytest.mark.parametrize(
    ("words", "username", "text"),
    [
        ("--verified 1 {n},1", "dev", 'error: fatal: Applying label "Verified": 1 is restricted'),
        ("--message x {n},9", "zuul", 'fatal: "{n},9" no such patch set'),
        ("--message x {n}", "zuul", 'fatal: "{n}" is not a valid patch set'),
        ("--message x 99999,1", "zuul", 'fatal: "99999" no such change'),
        ("--project {p} --message x 99999,1", "zuul", "fatal: database error"),
        ("--project org/none --message x {n},1", "zuul", "fatal: project org/none not found"),
        ("--nope {n},1", "zuul", 'fatal: "--nope" is not a valid option'),
        ("--message x", "zuul", 'fatal: Argument "{{COMMIT | CHANGE,PATCHSET}}" is required'),
        (
            "--message '' {n},1",
            "zuul",
            'fatal: Argument "{{COMMIT | CHANGE,PATCHSET}}" is required',
        ),
        ("{n},1 --message", "zuul", 'fatal: Option "--message (-m)" takes an operand'),
        ("--label Verified {n},1", "zuul", "fatal: Label vote missing '=': Verified"),
        ("--label Verified=x {n},1", "zuul", 'fatal: For input string: "x"'),
        ("--notify X {n},1", "zuul", 'fatal: "X" is not a valid value for "--notify"'),
        ("--restore {n},1", "dev", "error: fatal: change is new"),
        (
            "--submit --abandon {n},1",
            "zuul",
            "fatal: abandon and submit actions are mutually exclusive",
        ),
    ],
)
def test_a_wrong_review_fails(site: GerritSite, words: str, username: str, text: str) -> None:
    upload = site.any_upload
    said = site.review(words.format(n=upload.number, p=upload.project), username)
    assert said.exit_code == 1
    assert said.stdout == ""
    assert said.stderr.splitlines()[0] == text.format(n=upload.number)
