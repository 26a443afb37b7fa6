"""Submitting and its refusals, on the sandbox and on a real Gerrit."""

from __future__ import annotations

import pytest

from tests.contract.gerrit_site import GerritSite, pushed
from tests.sandbox.developer import Upload

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_submit_merges(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    site.approve(upload)
    said = site.review(f"--project {project} --message done --submit {upload.number},1")
    assert (said.exit_code, said.stdout, said.stderr) == (0, "", "")
    assert site.status(upload) == "MERGED"
    assert site.branch_head(project) == upload.revision


def test_a_vote_and_its_submit_may_come_together(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    site.review(f"--code-review 2 --workflow 1 {upload.number},1", "core")
    said = site.review(f"--message 'all good' --verified 2 --submit {upload.number},1")
    assert said.exit_code == 0, said.stderr
    assert site.status(upload) == "MERGED"


def test_a_merge_commit_is_made_where_it_is_needed(site: GerritSite) -> None:
    project = site.project()
    one, two = pushed(site, project, "One"), pushed(site, project, "Two")
    site.approve(one, two)
    for upload in (one, two):
        assert site.review(f"--submit {upload.number},1").exit_code == 0
    tree = site.developer.start(project)
    log = site.developer.git(tree, "log", "-1", "--format=%P|%an|%s", "HEAD")
    assert log.strip() == f'{one.revision} {two.revision}|Zuul CI|Merge "Two"'


def test_a_chain_merges_as_a_whole(site: GerritSite) -> None:
    project = site.project()
    first = pushed(site, project, "First")
    second = pushed(site, project, "Second", onto=first.revision)
    other = pushed(site, project, "Other")
    site.approve(first, second, other)
    assert site.review(f"--submit {other.number},1").exit_code == 0
    assert site.review(f"--submit {second.number},1").exit_code == 0
    assert (site.status(first), site.status(second)) == ("MERGED", "MERGED")
    tree = site.developer.start(project)
    message = site.developer.git(tree, "log", "-1", "--format=%B", "HEAD")
    ids = f"{second.change_id[:9]},{first.change_id[:9]}"
    assert message.strip() == f"Merge changes {ids}\n\n* changes:\n  Second\n  First"


def refusal(site: GerritSite, upload: Upload, patch_set: int = 1, username: str = "zuul") -> str:
    """First lines of stderr of a submit that must fail."""
    said = site.review(f"--submit {upload.number},{patch_set}", username)
    assert said.exit_code == 1
    assert said.stdout == ""
    lines = said.stderr.rstrip().splitlines()
    assert lines[-1] == "fatal: one or more reviews failed; review output above"
    return "\n".join(lines[:-1]).rstrip()


FAILED = "error: fatal: Failed to submit {} due to the following problems:\n"


def test_a_submit_without_its_votes_is_refused(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    site.review(f"--code-review 2 --workflow 1 {upload.number},1", "core")
    expected = f"Change {upload.number}: submit requirement 'Verified' is unsatisfied."
    assert refusal(site, upload) == FAILED.format("1 change") + expected
    site.review(f"--verified 2 {upload.number},1")
    site.review(f"--verified=-2 {upload.number},1", "core")
    assert refusal(site, upload) == FAILED.format("1 change") + expected


def test_a_submit_needs_the_votes_of_those_below(site: GerritSite) -> None:
    project = site.project()
    below = pushed(site, project, "Below")
    above = pushed(site, project, "Above", onto=below.revision)
    site.approve(above)
    expected = f"Change {below.number}: submit requirement 'Verified' is unsatisfied."
    assert refusal(site, above) == FAILED.format("2 changes") + expected


def test_a_conflict_is_refused(site: GerritSite) -> None:
    project = site.project()
    one = pushed(site, project, "One", files={"a": "1\n"})
    two = pushed(site, project, "Two", files={"a": "2\n"})
    site.approve(one, two)
    assert site.review(f"--submit {one.number},1").exit_code == 0
    text = refusal(site, two)
    assert "Change could not be merged due to a path conflict." in text
    assert site.status(two) == "NEW"


def test_an_old_patch_set_is_refused(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project, files={"a": "1"})
    pushed(site, project, files={"a": "2"}, change_id=upload.change_id)
    site.approve(upload, patch_set=2)
    expected = f"error: fatal: revision {upload.revision} is not current revision"
    assert refusal(site, upload) == expected


def test_an_outdated_or_abandoned_change_below_is_refused(site: GerritSite) -> None:
    project = site.project()
    below = pushed(site, project, "Below", files={"a": "1"})
    above = pushed(site, project, "Above", files={"b": "1"}, onto=below.revision)
    site.approve(below, above)
    assert site.review(f"--abandon {below.number},1", "dev").exit_code == 0
    assert "Depends on commit that cannot be merged." in refusal(site, above)
    site.review(f"--restore {below.number},1", "dev")
    pushed(site, project, "Below", files={"a": "2"}, change_id=below.change_id)
    site.approve(below, patch_set=2)
    text = refusal(site, above)
    assert f"which is outdated patch set 1 of change {below.number}. " in text
    assert "The latest patch set is 2." in text


def test_what_is_closed_is_not_submitted(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    site.review(f"--abandon {upload.number},1", "dev")
    assert refusal(site, upload) == "error: fatal: change is abandoned"
    site.review(f"--restore {upload.number},1", "dev")
    site.approve(upload)
    assert site.review(f"--submit {upload.number},1").exit_code == 0
    assert refusal(site, upload) == "error: fatal: change is merged"


def test_not_everybody_may_submit(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    site.approve(upload)
    assert refusal(site, upload, username="dev") == "error: fatal: submit not permitted"


def test_fast_forward_only_is_refused_when_it_is_none(site: GerritSite) -> None:
    project = site.project("FAST_FORWARD_ONLY")
    one, two = pushed(site, project, "One"), pushed(site, project, "Two")
    site.approve(one, two)
    assert site.review(f"--submit {one.number},1").exit_code == 0
    assert "requires all submissions to be a fast-forward" in refusal(site, two)


def test_a_comment_on_a_merged_change_is_taken(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    site.approve(upload)
    site.review(f"--submit {upload.number},1")
    assert site.review(f"--message late {upload.number},1").exit_code == 0
    assert site.review(f"--verified 2 {upload.number},1").exit_code == 0
