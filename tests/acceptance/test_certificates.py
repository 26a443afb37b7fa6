"""The gate with certificates and an access list on its Gearman server, for those listed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.people import Site
from tests.support.certificates import Authority
from tests.support.processes import ROOT, wait_for
from zuul.lib.gearman import AdminClient, AdminError, GearmanClient, GearmanWorker, Outcome
from zuul.lib.tls import TlsFiles, client_context

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

StartSite = Callable[..., Site]
SECONDS = 20.0
ACL = """
[zuul]
register = zuul:*
submit = build:*, stop:*, set_description:*, merger:*
cancel = build:*, merger:*
admin = status
[merger]
register = merger:*
[worker]
register = build:*, stop:*, set_description:*
[watcher]
admin = status
[admin]
submit = zuul:*
"""
PROMOTE = json.dumps({"pipeline": "gate", "change_ids": ["1,1"]}).encode()


def test_changes_merge_and_strangers_do_nothing(
    sandbox: object, start_site: StartSite, tmp_path: Path
) -> None:
    ours = Authority(tmp_path / "tls", "ours")
    site = start_site(sandbox, issue=ours.of, acl=ACL, mergers=1, workers=1)
    port = site.suite.gearman_port

    forge_builds(port, ours.of("merger"))
    for name in ("worker", "merger", "watcher", "visitor"):
        outcome, text = submit(port, ours.of(name), "zuul:promote", PROMOTE)
        assert outcome is Outcome.REFUSED
        assert f"'{name}' may not submit 'zuul:promote'" in text
    log = site.suite.processes["zuul-server"].log(100_000)
    assert "certificate 'merger' may not register 'build:unit'" in log
    assert "certificate 'visitor' may not submit 'zuul:promote'" in log
    only_those_listed_use_commands(port, ours)
    not_even_a_handshake(port, Authority(tmp_path / "theirs", "ours").of("zuul"), ours, site)

    change = site.push("acme/one", "With certificates", files={"a": "a\n"})
    site.expect_vote(change, "Verified +1")
    site.approve(change)
    site.expect_merged(change)
    site.expect_idle()

    people_ask_with_a_certificate_of_their_own(site, ours)
    secrets_are_nowhere(site)

    # Who is taken from the list is out at once, without a restart.
    site.suite.acl_path.write_text(ACL.replace("[worker]", "[nobody]"))
    site.suite.processes["zuul-server"].send(signal.SIGHUP)
    wait_for(
        lambda: site.suite.gearman_workers().get("build:unit") == 0, "an end of the registration"
    )


def people_ask_with_a_certificate_of_their_own(site: Site, ours: Authority) -> None:
    """The command `zuul`, as an administrator and as somebody who is none."""
    nobody = zuul(site, ours.of("worker"), "promote", "--pipeline", "gate", "--changes", "99,1")
    assert nobody.returncode == 1
    assert "certificate 'worker' may not submit 'zuul:promote'" in nobody.stderr
    admin = zuul(site, ours.of("admin"), "promote", "--pipeline", "gate", "--changes", "99,1")
    assert admin.returncode == 1
    assert "99,1" in admin.stderr and "may not" not in admin.stderr
    jobs = zuul(site, ours.of("admin"), "show", "running-jobs")
    assert (jobs.returncode, jobs.stdout) == (0, "No jobs currently running\n")


def zuul(site: Site, papers: TlsFiles, *words: str) -> subprocess.CompletedProcess[str]:
    conf = site.suite.folder / f"{papers.certificate.stem}.conf"
    conf.write_text(
        f"[gearman]\nserver = 127.0.0.1\nport = {site.suite.gearman_port}\nssl_ca = {papers.ca}\n"
        f"ssl_cert = {papers.certificate}\nssl_key = {papers.key}\n"
    )
    command = [sys.executable, "-m", "zuul.cmd.client", "-c", str(conf), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def secrets_are_nowhere(site: Site) -> None:
    """Not in what the programs wrote, told the builds or show, but for their configuration."""
    password = site.endpoint.identity("zuul").http_password
    keys = [site.endpoint.identity("zuul").key_file.read_text().splitlines()[1]]
    secrets = [text.encode() for text in (password, quote(password, safe=""), *keys)]
    folder = site.suite.folder
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".conf"]
    assert any(path.name == "zuul-server.log" for path in files)
    shown = []
    for path in files:
        # Some are replaced while we look.
        with contextlib.suppress(FileNotFoundError):
            shown.append(path.read_bytes())
    shown += [json.dumps(site.suite.status()).encode()]
    assert [secret for secret in secrets for text in shown if secret in text] == []


def forge_builds(port: int, papers: TlsFiles) -> None:
    """A worker that would pass everything: it is never given a build."""
    functions = {"build:unit": lambda _task: {"result": "SUCCESS"}}
    context = client_context(papers, check_hostname=True)
    worker = GearmanWorker("forger", "127.0.0.1", port, functions, ssl_context=context)
    worker.start()
    try:
        assert worker.wait_connected(SECONDS)
        outcome, text = submit(port, papers, "build:unit", b"{}")
        assert outcome is Outcome.REFUSED and "may not submit 'build:unit'" in text
    finally:
        worker.stop(SECONDS)


def submit(port: int, papers: TlsFiles, function: str, data: bytes) -> tuple[Outcome | None, str]:
    context = client_context(papers, check_hostname=True)
    client = GearmanClient("stranger", "127.0.0.1", port, ssl_context=context)
    try:
        outcome, answer = client.call(function, data, timeout_seconds=SECONDS)
        return outcome, answer.decode()
    finally:
        client.close()


def only_those_listed_use_commands(port: int, ours: Authority) -> None:
    for name in ("worker", "admin"):
        context = client_context(ours.of(name), check_hostname=True)
        client = AdminClient("127.0.0.1", port, ssl_context=context)
        with pytest.raises(AdminError, match="may not use the command 'status'"):
            client.status()
        client.close()


def not_even_a_handshake(port: int, foreign: TlsFiles, ours: Authority, site: Site) -> None:
    """Another authority of the same name does not count."""
    context = client_context(
        TlsFiles(ours.path, foreign.certificate, foreign.key), check_hostname=True
    )
    client = AdminClient("127.0.0.1", port, SECONDS, ssl_context=context)
    with pytest.raises(OSError):
        client.version()
    client.close()
    server = site.suite.processes["zuul-server"]
    server.wait_for_words("TLS failed host=127.0.0.1")


def test_a_state_that_others_can_write_is_refused(
    sandbox: object, start_site: StartSite, tmp_path: Path
) -> None:
    state = tmp_path / "suite" / "state"
    state.mkdir(parents=True)
    state.chmod(0o777)
    with pytest.raises(AssertionError, match=rf"mode 777\): chmod go-w {state}"):
        start_site(sandbox, mergers=0, workers=0)
    assert not os.listdir(state)
