"""What a gate relies on in a Gerrit; every case runs on the sandbox and on a real one."""

from __future__ import annotations

import time

import pytest
import requests

from tests.contract.gerrit_site import EventReader, GerritSite
from tests.sandbox.developer import PushRejected, Upload, make_change_id

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ZERO = "0" * 40


def pushed(site: GerritSite, project: str, subject: str = "A change", **options: object) -> Upload:
    return site.developer.upload(project, subject, **options)  # type: ignore[arg-type]


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


# -- reviewing -----------------------------------------------------------------------------------

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


# -- submitting ----------------------------------------------------------------------------------


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


# -- REST ----------------------------------------------------------------------------------------


def test_rest_tells_what_ssh_does_not(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    path = f"/changes/{upload.number}?o=SUBMITTABLE&o=SUBMIT_REQUIREMENTS"
    site.review(f"--code-review 2 --workflow 1 {upload.number},1", "core")
    assert site.row(f"--submit-records {upload.number}")["submitRecords"][0]["status"] == "OK"
    before = site.rest("GET", path)
    assert before["submittable"] is False
    lacking = [r["name"] for r in before["submit_requirements"] if r["status"] != "SATISFIED"]
    assert lacking == ["Verified"]
    site.review(f"--verified 2 {upload.number},1")
    assert site.rest("GET", path)["submittable"] is True


def test_rest_reviews_and_submits(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    path = f"/changes/{upload.number}/revisions/{upload.revision}"
    early = site.endpoint.rest("zuul", "POST", f"{path}/submit", {})
    assert early.status == 409
    assert "submit requirement 'Verified' is unsatisfied" in early.text
    votes = {"labels": {"Code-Review": 2, "Workflow": 1}}
    assert site.rest("POST", f"{path}/review", votes, "core") == votes
    body = {"message": "ok", "labels": {"Verified": 2}, "tag": "autogenerated:zuul"}
    assert site.rest("POST", f"{path}/review", body) == {"labels": {"Verified": 2}}
    assert site.rest("POST", f"{path}/submit", {})["status"] == "MERGED"
    branch = site.rest("GET", f"/projects/{project.replace('/', '%2F')}/branches/master")
    assert branch == {"ref": "refs/heads/master", "revision": upload.revision}


def test_rest_refuses_as_it_should(site: GerritSite) -> None:
    upload = pushed(site, site.project())
    path = f"/changes/{upload.number}/revisions/{upload.revision}"
    answer = site.endpoint.rest("dev", "POST", f"{path}/review", {"labels": {"Verified": 2}})
    assert (answer.status, answer.text.strip()) == (
        403,
        'Applying label "Verified": 2 is restricted',
    )
    assert site.endpoint.rest("zuul", "GET", "/changes/99999").status == 404
    assert site.endpoint.rest("zuul", "GET", "/changes/?q=foo:bar").status == 400
    url = f"{site.endpoint.http_url}/a/accounts/self"
    wrong = requests.get(url, auth=("zuul", "wrong"), timeout=10)
    assert (wrong.status_code, wrong.text.strip()) == (401, "Unauthorized")


def test_rest_knows_server_and_self(site: GerritSite) -> None:
    assert site.rest("GET", "/config/server/version") == "3.9.4"
    self_info = site.rest("GET", "/accounts/self")
    assert (self_info["username"], self_info["name"]) == ("zuul", "Zuul CI")


def test_rest_pages(site: GerritSite) -> None:
    project = site.project()
    numbers = [pushed(site, project, f"Change {i}").number for i in range(3)]
    query = f"/changes/?q=project:{project.replace('/', '%2F')}&n=2"
    first, last = site.rest("GET", query), site.rest("GET", f"{query}&S=2")
    assert first[-1]["_more_changes"] is True and "_more_changes" not in last[-1]
    assert sorted(c["_number"] for c in first + last) == numbers


# -- the stream ----------------------------------------------------------------------------------


def test_not_everybody_hears_the_stream(site: GerritSite) -> None:
    said = site.endpoint.ssh("dev", "gerrit stream-events")
    assert (said.exit_code, said.stderr.strip()) == (1, "stream events not permitted")


def test_the_stream_tells_of_branches(site: GerritSite) -> None:
    project = site.project()
    with EventReader(site) as reader:
        site.gerrit.create_branch(project, "release/1")
        head = site.branch_head(project)
        tree = site.developer.start(project)
        site.developer.git(tree, "fetch", "-q", "origin")
        events = reader.collect()
    updates = [e["refUpdate"] for e in events if e["type"] == "ref-updated"]
    expected = {"oldRev": ZERO, "newRev": head, "refName": "refs/heads/release/1"}
    assert updates == [{**expected, "project": project}]


def test_a_merge_moves_the_branch_before_it_is_told(site: GerritSite) -> None:
    project = site.project()
    upload = pushed(site, project)
    site.approve(upload)
    before = site.branch_head(project)
    with EventReader(site) as reader:
        site.review(f"--submit {upload.number},1")
        events = reader.collect()
    kinds = [(e["type"], e.get("refUpdate", {}).get("refName")) for e in events]
    assert ("ref-updated", "refs/heads/master") in kinds
    merged = next(e for e in events if e["type"] == "change-merged")
    assert merged["newRev"] == upload.revision
    update = next(
        e["refUpdate"]
        for e in events
        if e.get("refUpdate", {}).get("refName") == "refs/heads/master"
    )
    assert (update["oldRev"], update["newRev"]) == (before, upload.revision)


def test_an_unknown_command_is_not_found(site: GerritSite) -> None:
    said = site.endpoint.ssh("zuul", "gerrit frobnicate")
    assert (said.exit_code, said.stderr.strip()) == (1, "fatal: gerrit: frobnicate: not found")
    assert site.endpoint.ssh("zuul", "gerrit version").stdout == "gerrit version 3.9.4\n"
