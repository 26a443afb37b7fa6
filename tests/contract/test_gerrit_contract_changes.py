"""Pushing, fetching and querying, on the sandbox and on a real Gerrit."""

from __future__ import annotations

import time

import pytest
import requests

from tests.contract.gerrit_site import GerritSite, pushed
from tests.sandbox.developer import PushRejected, make_change_id

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


# -- pushing -------------------------------------------------------------------------------------


def test_a_push_makes_a_change(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project, "Say hello")
    row = site.row(f"--current-patch-set change:{upload.change_id}")
    assert (row["number"], row["project"], row["branch"]) == (upload.number, project, "master")
    assert row["subject"] == "Say hello"
    assert row["currentPatchSet"]["revision"] == upload.revision
    assert row["currentPatchSet"]["ref"].endswith(f"/{upload.number}/1")


def test_a_push_without_change_id_is_rejected(site: GerritSite) -> None:
    project = site.project()
    tree = site.developer.start(project)
    site.developer.git(tree, "commit", "-q", "--allow-empty", "-m", "Nothing\n\nNo footer")
    with pytest.raises(PushRejected, match="missing Change-Id in message footer"):
        site.developer.push(project)


def test_a_push_to_a_missing_branch_is_rejected(site: GerritSite) -> None:
    project = site.project()
    site.developer.start(project)
    site.developer.commit(project, "Lost", {"a": "a"})
    with pytest.raises(PushRejected, match="branch nowhere not found"):
        site.developer.push(project, "nowhere")


def test_a_branch_cannot_be_pushed_by_anybody(site: GerritSite) -> None:
    project = site.project()
    tree = site.developer.start(project)
    site.developer.commit(project, "Direct", {"a": "a"})
    with pytest.raises(PushRejected, match="prohibited by Gerrit: not permitted: update"):
        site.developer.git(tree, "push", "origin", "HEAD:refs/heads/master")


def test_the_same_commit_again_is_no_new_change(site: GerritSite) -> None:
    project = site.project()
    pushed(site, project)
    with pytest.raises(PushRejected, match="no new changes"):
        site.developer.push(project)


def test_several_commits_make_dependent_changes(site: GerritSite) -> None:
    project = site.project()
    site.developer.start(project)
    _one, first = site.developer.commit(project, "First", {"a": "a"})
    _two, second = site.developer.commit(project, "Second", {"b": "b"})
    assert len(site.developer.push(project)) == 2
    below = site.row(f"--dependencies change:{first}")
    above = site.row(f"--dependencies change:{second}")
    assert [d["number"] for d in above["dependsOn"]] == [below["number"]]
    assert above["dependsOn"][0]["isCurrentPatchSet"] is True
    assert [d["number"] for d in below["neededBy"]] == [above["number"]]


def test_a_new_patch_set_outdates_the_one_depended_on(site: GerritSite) -> None:
    project = site.project()
    below = pushed(site, project, "Below", files={"a": "1"})
    above = pushed(site, project, "Above", files={"b": "1"}, onto=below.revision)
    pushed(site, project, "Below", files={"a": "2"}, change_id=below.change_id)
    row = site.row(f"--dependencies {above.number}")
    assert row["dependsOn"][0]["isCurrentPatchSet"] is False
    assert "neededBy" not in site.row(f"--dependencies {below.number}")


def test_a_new_patch_set_loses_the_votes(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project, files={"a": "1"})
    site.approve(upload)
    pushed(site, project, files={"a": "2"}, change_id=upload.change_id)
    current = site.row(f"--current-patch-set {upload.number}")["currentPatchSet"]
    assert current["number"] == 2
    assert "approvals" not in current


def test_a_veto_and_a_trivial_rebase_keep_code_review(site: GerritSite) -> None:
    project = site.project()
    base = pushed(site, project, "Base", files={"base": "1"})
    upload = pushed(site, project, files={"a": "1"})
    site.approve(upload)
    tree = site.developer.work_tree(project)
    site.developer.git(tree, "checkout", "-q", upload.revision)
    site.developer.git(tree, "rebase", "-q", "--onto", base.revision, "HEAD^")
    site.developer.push(project)
    current = site.row(f"--current-patch-set {upload.number}")["currentPatchSet"]
    assert current["kind"] == "TRIVIAL_REBASE"
    assert [a["type"] for a in current["approvals"]] == ["Code-Review"]
    site.review(f"--code-review=-2 {upload.number},2", "core")
    pushed(site, project, files={"a": "2"}, change_id=upload.change_id)
    current = site.row(f"--current-patch-set {upload.number}")["currentPatchSet"]
    assert [(a["type"], a["value"]) for a in current["approvals"]] == [("Code-Review", "-2")]


def test_one_change_id_on_two_branches_is_two_changes(site: GerritSite) -> None:
    project = site.project()
    site.gerrit.create_branch(project, "stable/x")
    one = pushed(site, project, "Fix it")
    pushed(site, project, "Fix it there", change_id=one.change_id, branch="stable/x")
    rows = site.query(f"change:{one.change_id}")[:-1]
    assert {row["branch"] for row in rows} == {"master", "stable/x"}


def test_an_abandoned_change_takes_no_patch_set(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    assert site.review(f"--abandon {upload.number},1", "dev").exit_code == 0
    with pytest.raises(PushRejected, match="closed"):
        pushed(site, project, "More", change_id=upload.change_id)
    assert site.status(upload) == "ABANDONED"
    assert site.review(f"--restore {upload.number},1", "dev").exit_code == 0
    assert site.status(upload) == "NEW"


# -- fetching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/p/", "/"])
def test_refs_are_read_anonymously_over_http(site: GerritSite, prefix: str) -> None:
    project = site.project()
    upload = pushed(site, project)
    address = f"{site.endpoint.http_url}{prefix}{project}"
    answer = requests.get(f"{address}/info/refs?service=git-upload-pack", timeout=10)
    assert answer.status_code == 200
    kind = "application/x-git-upload-pack-advertisement"
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.text.startswith("001e# service=git-upload-pack\n0000")
    said = site.developer.git(None, "ls-remote", address)
    assert f"{upload.revision}\trefs/changes/{upload.number % 100:02}/{upload.number}/1" in said


# -- querying ------------------------------------------------------------------------------------


def test_a_query_for_nothing_has_a_stats_row_only(site: GerritSite) -> None:
    rows = site.query("change:99999")
    assert [row["type"] for row in rows] == ["stats"]
    assert rows[0]["rowCount"] == 0 and rows[0]["moreChanges"] is False


def test_pages_follow_each_other(site: GerritSite) -> None:
    project = site.project()
    numbers = [pushed(site, project, f"Change {i}", onto=None).number for i in range(5)]
    found: list[int] = []
    for start in (0, 2, 4):
        *rows, stats = site.query(f"-S {start} limit:2 project:{project}")
        found += [row["number"] for row in rows]
        assert stats["moreChanges"] is (start < 4)
    assert sorted(found) == numbers


def test_a_message_is_found_by_the_change_id_in_it(site: GerritSite) -> None:
    project = site.project()
    wanted = make_change_id()
    upload = pushed(site, project, footers=[f"Depends-On: {wanted}"])
    assert site.row(f"--commit-message message:{wanted}")["number"] == upload.number
    assert site.row(f"'message:\"{wanted}\"'")["number"] == upload.number


@pytest.mark.parametrize("operator", ["after", "since"])
@pytest.mark.parametrize("quotes", ["'{}:\"{}\"'", "{}:{{{}}}"])
def test_changes_updated_since_a_time_are_found(
    site: GerritSite, operator: str, quotes: str
) -> None:
    project = site.project()
    old = pushed(site, project, "Old")
    updated = site.row(f"{old.number}")["lastUpdated"]
    while int(time.time()) < updated + 2:
        time.sleep(0.05)
    new = pushed(site, project, "New")
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(updated + 1))
    rows = site.query(f"{quotes.format(operator, text)} project:{project} status:open")
    assert [row["number"] for row in rows[:-1]] == [new.number]


def test_double_quotes_do_not_survive_gerrits_unquoting(site: GerritSite) -> None:
    """`after:"a b"` reaches the query as two words: the quotes must be quoted themselves."""
    project = site.project()
    pushed(site, project)
    rows = site.query(f'after:"2020-01-01 12:34:56" project:{project}')
    assert [row["type"] for row in rows] == ["stats"]


@pytest.mark.parametrize(
    "text",
    [
        "{number}",
        "change:{number}",
        "{change_id}",
        "commit:{revision}",
        "{revision}",
        "project:{project} status:open",
        "project:{project} is:open branch:master owner:dev",
        "project:{project} NOT status:merged",
        "project:{project} (status:new OR status:merged)",
        "project:^{project} limit:1",
    ],
)
def test_a_change_is_found_by(site: GerritSite, text: str) -> None:
    upload = site.any_upload
    values = {"number": upload.number, "change_id": upload.change_id}
    values |= {"revision": upload.revision, "project": upload.project}  # type: ignore[dict-item]
    assert site.row(f"-- '{text.format(**values)}'")["number"] == upload.number


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("status:nope", "Unrecognized value: nope"),
        ("foo:bar", "Unsupported operator foo:bar"),
        ("limit:0", "limit must be positive: 0"),
        ("after:1", "Invalid date format: 1"),
    ],
)
def test_a_query_that_is_not_understood_is_an_error_row(
    site: GerritSite, words: str, text: str
) -> None:
    assert site.query(words) == [{"type": "error", "message": text}]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--format json --nope x", 'fatal: "--nope" is not a valid option'),
        ("--format json", 'fatal: Argument "QUERY" is required'),
        (
            "--format json --files 1",
            "fatal: --files option needs --patch-sets or --current-patch-set",
        ),
    ],
)
def test_a_query_with_wrong_options_fails(site: GerritSite, words: str, text: str) -> None:
    said = site.endpoint.ssh("zuul", f"gerrit query {words}")
    assert (said.exit_code, said.stdout, said.stderr.strip()) == (1, "", text)
