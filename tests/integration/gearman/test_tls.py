"""Gearman over TLS: client, worker and administration with certificates, and strangers without."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certificates import Authority
from tests.support.gearman import SECONDS, RawPeer, Recorder, eventually
from zuul.lib.gearman import (
    AdminClient,
    AdminError,
    GearmanClient,
    GearmanServer,
    GearmanWorker,
    Limits,
    Outcome,
    Reply,
    Task,
)
from zuul.lib.gearman import server as server_module
from zuul.lib.gearman.acl import parse_acl
from zuul.lib.gearman.packets import PacketType
from zuul.lib.tls import TlsFiles, client_context, server_context

pytestmark = pytest.mark.integration

ACL = """
[worker]
register = build:*
[zuul]
submit = build:*
cancel = build:*
admin = status
"""
Open = Callable[[str], ssl.SSLContext]


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def server(ours: Authority) -> Iterator[GearmanServer]:
    context = server_context(ours.issue("server"))
    made = GearmanServer("127.0.0.1", 0, ssl_context=context, acl=parse_acl(ACL, "acl"))
    made.start()
    yield made
    made.stop()


def papers_of(files: TlsFiles) -> ssl.SSLContext:
    return client_context(files, check_hostname=True)


@pytest.fixture
def worker(ours: Authority, server: GearmanServer) -> Iterator[GearmanWorker]:
    def work(task: Task) -> Reply:
        return task.payload[::-1]

    context = papers_of(ours.issue("worker"))
    functions = {"build:unit": work, "zuul:promote": work}
    made = GearmanWorker("w", "127.0.0.1", server.port, functions, ssl_context=context)
    made.start()
    assert made.wait_connected(SECONDS)
    yield made
    made.stop(SECONDS)


@pytest.fixture
def client(ours: Authority, server: GearmanServer) -> Iterator[GearmanClient]:
    context = papers_of(ours.issue("zuul"))
    made = GearmanClient("c", "127.0.0.1", server.port, ssl_context=context)
    yield made
    made.close()


def open_raw(port: int, files: TlsFiles) -> RawPeer:
    peer = RawPeer(port)
    context = client_context(files, check_hostname=False)
    peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
    return peer


def test_jobs_of_all_sizes_both_ways_at_once(worker: GearmanWorker, client: GearmanClient) -> None:
    heard = Recorder()
    heard.expected = 90
    sizes = [1, 100, 16 * 1024 - 1, 16 * 1024 + 1, 100_000, 600_000]
    texts = {str(n): bytes([n % 251]) + b"x" * sizes[n % len(sizes)] for n in range(90)}

    def submit(first: int) -> None:
        for key in list(texts)[first::3]:
            client.submit("build:unit", texts[key], heard, key=key)

    threads = [threading.Thread(target=submit, args=(first,)) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard.all_ended.wait(60.0)
    assert {key: (outcome, data[::-1]) for key, outcome, data in heard.ends} == {
        key: (Outcome.COMPLETE, text) for key, text in texts.items()
    }


def test_what_a_certificate_may_not_is_refused_and_told(
    server: GearmanServer,
    worker: GearmanWorker,
    client: GearmanClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def told() -> str:
        return " ".join(r.message for r in [*caplog.get_records("setup"), *caplog.records])

    eventually(lambda: "'worker' may not register 'zuul:promote'" in told())
    outcome, text = client.call("zuul:promote", b"{}", timeout_seconds=SECONDS)
    assert outcome is Outcome.REFUSED
    assert text == b"ERR_PERMISSION_DENIED certificate 'zuul' may not submit 'zuul:promote'"
    assert "Request refused packet=SUBMIT_JOB host=127.0.0.1 client=- certificate=zuul" in (
        caplog.text
    )
    outcome, _ = client.call("build:unit", b"{}", timeout_seconds=SECONDS)
    assert outcome is Outcome.COMPLETE


def test_administration(ours: Authority, server: GearmanServer, worker: GearmanWorker) -> None:
    port = server.port
    zuul = AdminClient("127.0.0.1", port, ssl_context=papers_of(ours.issue("zuul")))
    other = AdminClient("127.0.0.1", port, ssl_context=papers_of(ours.issue("worker")))
    eventually(lambda: zuul.status()["build:unit"].workers == 1)
    with pytest.raises(AdminError, match="'worker' may not use the command 'status'"):
        other.status()
    assert other.version()
    zuul.close()
    other.close()


def test_a_job_is_cancelled_by_who_may_and_seen_by_nobody_else(
    ours: Authority, server: GearmanServer, client: GearmanClient
) -> None:
    heard = Recorder()
    job = client.submit("build:later", b"", heard)
    eventually(lambda: heard.created)
    assert job.handle is not None
    port = server.port
    with open_raw(port, ours.issue("worker")) as peer:
        peer.send(PacketType.GET_STATUS, job.handle)
        assert peer.expect("STATUS_RES")[1] == b"0"
        peer.line(b"cancel job " + job.handle)
        assert peer.expect("TEXT")[0].startswith(b"ERR PERMISSION_DENIED ")
    zuul = AdminClient("127.0.0.1", port, ssl_context=papers_of(ours.issue("zuul")))
    assert zuul.cancel(job.handle)
    assert not zuul.cancel(job.handle)
    zuul.close()


def test_a_certificate_that_is_not_listed_may_nothing(
    ours: Authority, server: GearmanServer
) -> None:
    with open_raw(server.port, ours.issue("visitor")) as peer:
        peer.send(PacketType.CAN_DO, b"build:unit")
        denial = b"certificate 'visitor' may not register 'build:unit'"
        assert peer.expect("ERROR") == [b"ERR_PERMISSION_DENIED", denial]
        peer.send(PacketType.MASS_DO, b"build:a", b"build:b")
        assert peer.expect("ERROR")[0] == b"ERR_PERMISSION_DENIED"
        for kind in (PacketType.SUBMIT_JOB_BG, PacketType.SUBMIT_JOB_HIGH, PacketType.SUBMIT_JOB):
            peer.send(kind, b"zuul:promote", b"", b"{}")
            assert peer.expect("ERROR")[0] == b"ERR_PERMISSION_DENIED"
        peer.line(b"workers")
        assert peer.expect("TEXT")[0].startswith(b"ERR PERMISSION_DENIED ")
        peer.line(b"shutdown")
        assert peer.expect("TEXT")[0].startswith(b"ERR UNKNOWN_COMMAND")


def test_two_names_in_one_certificate_are_none(ours: Authority, server: GearmanServer) -> None:
    with open_raw(server.port, ours.issue("zuul", "worker")) as peer:
        peer.send(PacketType.CAN_DO, b"build:unit")
        assert peer.expect("ERROR")[0] == b"ERR_PERMISSION_DENIED"


def gets_no_answer(port: int, context: ssl.SSLContext) -> bool:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"version\n")
                return tls.recv(100) == b""
        except OSError:
            return True


def test_a_stranger_does_not_get_in(
    tmp_path: Path, server: GearmanServer, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("zuul")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(stranger.certificate, stranger.key)
    assert gets_no_answer(server.port, context)
    eventually(lambda: "Connection refused, TLS failed host=127.0.0.1" in caplog.text)
    assert "certificate verify failed" in caplog.text


def test_no_certificate_no_entry(
    ours: Authority, server: GearmanServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert gets_no_answer(server.port, ssl.create_default_context(cafile=ours.path))
    eventually(lambda: "did not return a certificate" in caplog.text)


def test_a_client_that_is_refused_says_what_may_be_the_reason(
    ours: Authority, tmp_path: Path, server: GearmanServer, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("zuul")
    context = papers_of(TlsFiles(ours.path, stranger.certificate, stranger.key))
    client = GearmanClient("c", "127.0.0.1", server.port, ssl_context=context)
    eventually(lambda: "does it know our certificate?" in caplog.text)
    client.close()


def test_plain_gearman_and_old_tls_get_no_answer(ours: Authority, server: GearmanServer) -> None:
    with RawPeer(server.port) as plain:
        plain.line(b"version")
        with pytest.raises((ConnectionError, AssertionError)):
            plain.expect("TEXT")
    context = client_context(ours.issue("zuul"), check_hostname=False)
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", server.port), SECONDS) as plain,
        pytest.raises(OSError),
    ):
        context.wrap_socket(plain)


def test_who_says_nothing_is_shown_out_and_counted_before(
    ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_SECONDS", 0.3)
    context = server_context(ours.issue("server"))
    server = GearmanServer("127.0.0.1", 0, ssl_context=context, limits=Limits(connections=2))
    server.start()
    silent = [socket.create_connection(("127.0.0.1", server.port), SECONDS) for _ in range(3)]
    for each in silent:
        assert each.recv(1) == b""
        each.close()
    monkeypatch.setattr(server_module, "HANDSHAKE_SECONDS", 30.0)
    with open_raw(server.port, ours.issue("zuul")) as peer:
        peer.line(b"version")
        assert peer.expect("TEXT")[0].startswith(b"OK ")
    server.stop()


def test_a_host_of_another_name_is_not_our_server(
    ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    context = server_context(ours.issue("elsewhere", hosts=[x509.DNSName("elsewhere.example")]))
    server = GearmanServer("127.0.0.1", 0, ssl_context=context)
    server.start()
    papers = ours.issue("zuul")
    trusting = client_context(papers, check_hostname=False)
    client = GearmanClient("c", "127.0.0.1", server.port, ssl_context=trusting)
    assert client.wait_connected(SECONDS)
    client.close()
    wary = GearmanClient("c", "127.0.0.1", server.port, ssl_context=papers_of(papers))
    eventually(lambda: "IP address mismatch" in caplog.text)
    assert not wary.wait_connected(0)
    wary.close()
    server.stop()


def test_rights_taken_from_a_worker_end_its_registration(
    ours: Authority, server: GearmanServer, worker: GearmanWorker, client: GearmanClient
) -> None:
    assert client.call("build:unit", b"", timeout_seconds=SECONDS)[0] is Outcome.COMPLETE
    context = server_context(ours.issue("server"))
    server.set_access(context, parse_acl(ACL.replace("build:*", "build:b*"), "acl"))
    eventually(
        lambda: client.call("build:unit", b"", timeout_seconds=SECONDS)[0] is Outcome.REFUSED
    )
    server.set_access(context, parse_acl(ACL, "acl"))
    heard = Recorder()
    client.submit("build:unit", b"", heard)
    eventually(lambda: heard.created)
    assert server.totals.waiting == 1


def test_a_peer_that_does_not_read_is_closed_over_tls_too(ours: Authority) -> None:
    server = GearmanServer(
        "127.0.0.1",
        0,
        ssl_context=server_context(ours.issue("server")),
        limits=Limits(unread_bytes=1024 * 1024),
    )
    server.start()
    with open_raw(server.port, ours.issue("zuul")) as peer, pytest.raises(OSError):
        for _ in range(200):
            peer.send(PacketType.ECHO_REQ, b"x" * 512 * 1024)
    server.stop()
