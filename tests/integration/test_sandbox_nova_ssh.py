"""The servers of the sandbox cloud from inside: logins, commands, files, snapshots, deaths."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import paramiko
import pytest

from tests.integration.nova_client import Client, run, wait_for
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_settings import Times

PREPARE = """#!/bin/sh
set -e
sudo useradd -m worker 2>/dev/null || true
sudo mkdir -p /home/jenkins/.ssh
echo "$NODEPOOL_SSH_KEY" | sudo tee /home/jenkins/.ssh/authorized_keys >/dev/null
sudo mkdir -p /etc/nodepool && sudo chmod 0777 /etc/nodepool
echo prepared for "$1" > /opt/marker
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=50, times=times) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: SandboxCloud, tmp_path: Path) -> Client:
    return Client(cloud, tmp_path / "client")


def test_commands_run_in_the_servers_own_folder(client: Client, cloud: SandboxCloud) -> None:
    with closing(client.ssh(client.boot("one"))) as ssh:
        assert run(ssh, "echo access okay", pty=True) == (0, "access okay\n", "")
        command = "mkdir -p /etc/nodepool && echo primary > /etc/nodepool/role && hostname && pwd"
        assert run(ssh, command) == (0, "one\n/root\n", "")
        assert run(ssh, "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
        assert run(ssh, "echo out; echo err >&2", pty=True)[1] == "out\nerr\n"
        assert run(ssh, "sudo -u x env A=1 sh -c 'echo $A'") == (0, "1\n", "")
        assert run(ssh, "kill -9 $$")[0] != 0
    assert (cloud.root_of("one") / "etc/nodepool/role").read_text() == "primary\n"
    assert not Path("/etc/nodepool/role").exists()


def test_only_the_right_keys_get_in(client: Client, tmp_path: Path) -> None:
    server = client.boot()
    client.ssh(server).close()
    address = server.addresses["private"][0]["addr"]
    with pytest.raises(paramiko.AuthenticationException):
        client.login(address, "nobody")
    stranger = paramiko.RSAKey.generate(2048)
    with pytest.raises(paramiko.AuthenticationException):
        client.login(address, "root", pkey=stranger)
    bare = client.create("bare", key_name=None)
    wait_for(lambda: client.status(bare) == "ACTIVE")
    password = bare.adminPass
    more = {"pkey": None, "password": password}
    client.ssh(client.nova.servers.get(bare.id), **more).close()


def test_an_image_brings_its_files(client: Client, cloud: SandboxCloud) -> None:
    files = {
        "home/jenkins/.ssh/authorized_keys": client.public_key,
        "opt/run": "#!/bin/sh\necho hi",
    }
    cloud.add_image("ready", files)
    image = client.nova.glance.find_image("ready")
    with closing(client.ssh(client.boot(image=image), "jenkins")) as ssh:
        assert run(ssh, "/opt/run; echo $HOME $USER") == (0, "hi\n/home/jenkins jenkins\n", "")


def test_a_snapshot_is_what_the_setup_script_made(client: Client, tmp_path: Path) -> None:
    script = tmp_path / "prepare.sh"
    script.write_text(PREPARE)
    template = client.boot("template")
    with closing(client.ssh(template)) as ssh:
        with closing(ssh.open_sftp()) as files:
            files.mkdir("scripts")
            files.put(str(script), "scripts/prepare.sh")
            files.chmod("scripts/prepare.sh", 0o755)
        run(
            ssh, "sudo mv scripts /opt/nodepool-scripts && sudo chmod -R a+rx /opt/nodepool-scripts"
        )
        environment = f'NODEPOOL_SSH_KEY="{client.public_key}"'
        command = f"cd /opt/nodepool-scripts && {environment} ./prepare.sh template"
        assert run(ssh, command) == (0, "", "")
    image_id = template.create_image("made")
    wait_for(lambda: client.nova.glance.find_image(image_id).status == "active")
    template.delete()
    node = client.boot("node", image=client.nova.glance.find_image(image_id), key_name=None)
    with closing(client.ssh(node, "jenkins")) as ssh:
        assert run(ssh, "cat /opt/marker")[1] == "prepared for template\n"
        run(ssh, "echo own > /etc/nodepool/role")
    again = client.boot("again", image=client.nova.glance.find_image(image_id))
    with closing(client.ssh(again, "jenkins")) as ssh:
        assert run(ssh, "ls /etc/nodepool; cat /etc/hostname") == (0, "again\n", "")


def test_files_go_in_and_out(client: Client) -> None:
    with (
        closing(client.ssh(client.boot())) as ssh,
        closing(ssh.open_sftp()) as files,
    ):
        assert files.normalize(".") == "/root"
        with files.open("a.txt", "w") as stream:
            stream.write("text")
        run(ssh, "mkdir -p /etc/nodepool")
        with files.open("/etc/nodepool/node", "w") as stream:
            stream.write("127.0.0.1\n")
        assert run(ssh, "cat /root/a.txt /etc/nodepool/node")[1] == "text127.0.0.1\n"
        with pytest.raises(OSError, match="No such file"):
            files.stat("/../../no/such")


def test_input_reaches_a_command(client: Client) -> None:
    with closing(client.ssh(client.boot())) as ssh:
        stdin, stdout, _ = ssh.exec_command("wc -c", timeout=20)
        stdin.write("x" * 300_000)
        stdin.channel.shutdown_write()
        assert stdout.read().strip() == b"300000"
        stdin.close()


def test_the_console_tells_the_host_keys(client: Client, cloud: SandboxCloud) -> None:
    server = client.boot()
    said = server.get_console_output()
    lines = said.split("-----BEGIN SSH HOST KEY KEYS-----\n")[1].splitlines()
    keys = {line.split()[0]: line.split()[1] for line in lines[:2]}
    with closing(client.ssh(server)) as ssh:
        transport = ssh.get_transport()
        assert transport is not None
        seen = transport.get_remote_server_key()
        assert keys[seen.get_name()] == seen.get_base64()
    other = client.boot("other")
    assert not set(keys.values()) & set(cloud.console("other").split())
    assert other.id != server.id


def test_the_console_may_lie(client: Client, cloud: SandboxCloud) -> None:
    cloud.faults.boot(wrong_console_keys=True)
    client.boot()
    keys = {line.split()[1] for line in cloud.host_keys("node")}
    assert not keys & set(cloud.console("node").split())


def test_user_data_runs_and_the_config_drive_is_there(client: Client) -> None:
    server = client.boot(
        userdata="#!/bin/sh\necho done > /root/by-user-data\n",
        config_drive=True,
        meta={"groups": "[]"},
    )
    with closing(client.ssh(server)) as ssh:
        assert run(ssh, "cat by-user-data")[1] == "done\n"
        assert '"groups": "[]"' in run(ssh, "cat /mnt/config/openstack/latest/meta_data.json")[1]


@pytest.mark.parametrize("kind", ["refused", "mute", "reset", "denied"])
def test_ssh_may_fail(client: Client, cloud: SandboxCloud, kind: str) -> None:
    cloud.faults.boot(ssh=kind)
    address = client.boot().addresses["private"][0]["addr"]
    if kind == "refused":
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 22), 5)
    elif kind == "mute":
        with closing(wait_for(lambda: _connected(address))) as sock:
            sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sock.recv(1)
    elif kind == "reset":
        with closing(wait_for(lambda: _connected(address))) as sock:
            assert sock.recv(100) == b""
    else:
        with pytest.raises(paramiko.AuthenticationException):
            wait_for(lambda: client.login(address, "root"))


def _connected(address: str) -> socket.socket | None:
    try:
        return socket.create_connection((address, 22), 5)
    except ConnectionRefusedError:
        return None


def test_a_server_may_die_in_use(client: Client, cloud: SandboxCloud) -> None:
    server = client.boot("doomed")
    with closing(client.ssh(server)) as ssh:
        _, stdout, _ = ssh.exec_command("echo $$; exec sleep 1000", timeout=20)
        pid = int(stdout.readline())
        cloud.kill_server("doomed")
        transport = ssh.get_transport()
        assert transport is not None
        wait_for(lambda: not transport.is_active())
        wait_for(lambda: not _is_alive(pid))
    assert client.status(server) == "ACTIVE"
    assert client.login(server.addresses["private"][0]["addr"], "root") is None


def test_a_server_may_die_by_itself(client: Client, cloud: SandboxCloud) -> None:
    cloud.faults.boot("doomed", dies_after=3.0)
    server = client.boot("doomed")
    with closing(client.ssh(server)) as ssh:
        transport = ssh.get_transport()
        assert transport is not None
        wait_for(lambda: not transport.is_active())
    assert client.status(server) == "ACTIVE"


def test_what_runs_in_a_server_ends_with_it(client: Client) -> None:
    server = client.boot()
    with closing(client.ssh(server)) as ssh:
        pid = int(run(ssh, "setsid sleep 1000 >/dev/null 2>&1 & echo $!")[1])
        assert _is_alive(pid)
        server.delete()
        wait_for(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def test_nothing_is_left_of_a_deleted_server(client: Client, cloud: SandboxCloud) -> None:
    server = client.boot()
    client.ssh(server).close()
    assert cloud.server("node").folder.is_dir()
    folder = cloud.server("node").folder
    server.delete()
    wait_for(lambda: not folder.exists())
    assert os.listdir(folder.parent) == []


def test_a_reboot_cuts_and_comes_back(client: Client) -> None:
    server = client.boot()
    with closing(client.ssh(server)) as ssh:
        run(ssh, "echo kept > /root/file")
        server.reboot()
        transport = ssh.get_transport()
        assert transport is not None
        wait_for(lambda: not transport.is_active())
    with closing(client.ssh(server)) as ssh:
        assert run(ssh, "cat /root/file")[1] == "kept\n"


def test_a_floating_address_leads_to_the_server(client: Client, cloud: SandboxCloud) -> None:
    server = client.boot("floated")
    old = cloud.account().nova("2.1").client
    _, body = old.post("/os-floating-ips", body={"pool": "public"})
    address = body["floating_ip"]["ip"]
    old.post(f"/servers/{server.id}/action", body={"addFloatingIp": {"address": address}})
    with closing(wait_for(lambda: client.login(address, "root"))) as ssh:
        assert run(ssh, "hostname")[1] == "floated\n"
    assert cloud.floating_ips() == {address: server.id}
    server.delete()
    wait_for(lambda: cloud.floating_ips() == {address: None})


def test_a_server_of_a_private_cloud_is_reached_by_its_floating_address_alone(
    tmp_path: Path,
) -> None:
    times = Times(boot=0.02, ssh=0.0, delete=0.02)
    with SandboxCloud(tmp_path / "cloud", prefix="10.77", times=times) as cloud:
        client = Client(cloud, tmp_path / "client")
        first, second = (client.boot(name) for name in ("first", "second"))
        fixed = [each.addresses["private"][0]["addr"] for each in (first, second)]
        assert fixed[0] != fixed[1]
        assert all(each.startswith("10.77.") for each in fixed)
        old = cloud.account().nova("2.1").client
        _, body = old.post("/os-floating-ips", body={"pool": "public"})
        address = body["floating_ip"]["ip"]
        with ExitStack() as logins:
            for server in (first, second):
                body = {"addFloatingIp": {"address": address}}
                old.post(f"/servers/{server.id}/action", body=body)
                ssh = wait_for(lambda: client.login(address, "root"))
                # Open until the end: who is logged in does not keep the address from moving.
                logins.enter_context(closing(ssh))
                assert run(ssh, "hostname")[1] == f"{server.name}\n"
        old.post(f"/servers/{second.id}/action", body={"removeFloatingIp": {"address": address}})
        assert client.login(address, "root") is None


def test_folders_of_this_machine_may_be_shared(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file").write_text("text")
    with SandboxCloud(tmp_path / "cloud", shared=(shared,)) as cloud:
        client = Client(cloud, tmp_path / "client")
        with closing(client.ssh(client.boot())) as ssh:
            assert run(ssh, f"cat {shared}/file")[1] == "text"


def test_logins_survive_a_restart_of_the_cloud(client: Client, cloud: SandboxCloud) -> None:
    server = client.boot()
    with closing(client.ssh(server)) as ssh:
        run(ssh, "echo kept > /root/file")
    keys = cloud.host_keys("node")
    cloud.stop()
    assert client.login(server.addresses["private"][0]["addr"], "root") is None
    cloud.start()
    with closing(client.ssh(server)) as ssh:
        assert run(ssh, "cat /root/file")[1] == "kept\n"
    assert cloud.host_keys("node") == keys


def test_many_log_in_at_once(client: Client, cloud: SandboxCloud) -> None:
    servers = [client.create(f"n{number}") for number in range(10)]
    wait_for(lambda: all(client.status(server) == "ACTIVE" for server in servers))
    for server in servers:
        with closing(client.ssh(client.nova.servers.get(server.id))) as ssh:
            assert run(ssh, "echo access okay")[1] == "access okay\n"


def test_clouds_side_by_side_share_no_address(tmp_path: Path) -> None:
    with SandboxCloud(tmp_path / "a") as one, SandboxCloud(tmp_path / "b") as other:
        seen: list[str | None] = []
        for cloud in (one, other):
            client = Client(cloud, tmp_path / f"client-{len(seen)}")
            client.boot()
            old = cloud.account().nova("2.1").client
            old.post("/os-floating-ips", body={"pool": "public"})
            seen += [cloud.server("node").address, *cloud.floating_ips()]
        assert len(set(seen)) == 4
