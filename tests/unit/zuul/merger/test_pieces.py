"""The merger's small parts that need no repository."""

from __future__ import annotations

import pytest

from zuul.errors import MergerError
from zuul.lib.git import GitResult
from zuul.merger.commits import Identity, merge_message
from zuul.merger.failures import CloneBroken, OriginUnreachable, RefNotFound
from zuul.merger.fetching import BranchClash, failure_of, parse_fetched
from zuul.merger.lru import Recently
from zuul.merger.ssh import SshLogin, git_environment, host_key_advice, ssh_command


def test_fetch_head_is_read_by_ref() -> None:
    text = (
        f"{'a' * 40}\t\t'refs/changes/01/1/1' of ssh://h/p\n"
        f"{'b' * 40}\tnot-for-merge\tbranch 'it's/odd' of ssh://h/p\n"
        f"{'c' * 40}\tnot-for-merge\ttag 'v1' of ssh://h/p\n"
        "garbage\n"
    )
    assert parse_fetched(text) == {
        "refs/changes/01/1/1": "a" * 40,
        "refs/heads/it's/odd": "b" * 40,
        "refs/tags/v1": "c" * 40,
    }


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        (128, "fatal: couldn't find remote ref refs/heads/x", RefNotFound),
        (128, "Host key verification failed.\nfatal: Could not read from", OriginUnreachable),
        (128, "fatal: unable to access 'https://x/': 404", OriginUnreachable),
        (128, "git@h: Permission denied (publickey).", OriginUnreachable),
        (-9, "fatal: killed after 300 s", OriginUnreachable),
        (1, "error: cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists", BranchClash),
        (128, "fatal: bad object HEAD", CloneBroken),
        (128, "", CloneBroken),
    ],
)
def test_a_failed_fetch_is_understood(status: int, errors: str, kind: type[MergerError]) -> None:
    failure = failure_of(GitResult(status, "", errors), "compare the fingerprint")
    assert type(failure) is kind
    assert str(failure)


def test_advice_names_host_port_and_file() -> None:
    advice = host_key_advice("ssh://zuul@review.example.com:29418/p", "/etc/hosts")
    assert "ssh-keyscan -p 29418 review.example.com" in advice
    assert "/etc/hosts" in advice
    assert "ssh-keyscan -p 22" in host_key_advice("u@h:p", None)


def test_ssh_never_asks_and_never_trusts_unseen_keys() -> None:
    for login in (SshLogin("a"), SshLogin("a", "/key", "/hosts")):
        command = ssh_command(login)
        assert "StrictHostKeyChecking=yes" in command
        assert "BatchMode=yes" in command
        assert any(option.startswith("ConnectTimeout=") for option in command)


def test_environment_names_the_script_or_a_strict_ssh() -> None:
    assert git_environment({"a": "/w"}, "a")["GIT_SSH"] == "/w"
    assert "StrictHostKeyChecking=yes" in git_environment({}, "b")["GIT_SSH_COMMAND"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ssh://zuul@h:29418/p", "ssh://h:29418/p"),
        ("https://u:secret@h/p.git", "https://h/p"),
        ("/srv/p/", "/srv/p"),
    ],
)
def test_message_hides_who_logs_in(url: str, shown: str) -> None:
    expected = f"Merge commit 'refs/changes/1/1/1' of {shown} into HEAD\n"
    assert merge_message("refs/changes/1/1/1", url) == expected


def test_identity_cannot_break_a_commit() -> None:
    line = Identity("Eve\ncommitter <x>", "<e@x>\n").line(7.9)
    assert line == b"Evecommitter x <e@x> 7 +0000"
    assert Identity("", "").line(0) == b"zuul <zuul@localhost> 0 +0000"


def test_recently_forgets_the_oldest_and_tells() -> None:
    gone: list[int] = []
    kept: Recently[str, int] = Recently(2, gone.append)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("b"), gone) == (None, [2])
    kept.pop("a")
    kept.pop("unknown")
    kept.clear()
    assert sorted(gone) == [1, 2, 3]
