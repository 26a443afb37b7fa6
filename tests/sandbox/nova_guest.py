"""The inside of a sandbox server: a folder that its commands see as their root.

A command runs in a mount namespace of its own (unshare) with the server's folder as its root and
this machine's programs mounted into it, so that `/etc/nodepool`, `/opt/...` and `/home/jenkins`
are the server's own. Accounts are names with a home only: all run as the user of the tests. The
network is this machine's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.sandbox.nova_model import Server

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What of this machine's /etc its programs need to run.
_ETC = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "fonts", "gai.conf"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf"),
    *("profile", "protocols", "python3", "python3.11", "services", "ssl", "terminfo"),
)
_FOLDERS = ("etc", "home", "mnt", "opt", "root", "run", "srv", "tmp", "var/lib", "var/tmp")
_MOUNTED = ("usr", "dev", "proc", "sys")
#: Arguments: root, folder of wrappers, host name, home, command, then this machine's folders to
#: be seen inside.
_ENTER = r"""
set -e
root=$1 wrappers=$2 name=$3 home=$4 command=$5
shift 5
for each in usr dev proc sys; do mount --rbind "/$each" "$root/$each"; done
for each in /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -d "$each" ] && [ ! -L "$each" ]; then mount --rbind "$each" "$root$each"; fi
done
mount --bind /etc "$root/.host-etc"
mount --bind "$wrappers" "$root/usr/local/sbin"
for each in "$@"; do mount --rbind "$each" "$root$each"; done
hostname "$name" 2>/dev/null || :
exec chroot "$root" /bin/sh -c 'cd "$1" 2>/dev/null || cd /; exec /bin/sh -c "$2"' sh \
    "$home" "$command"
"""
_SUDO = """#!/bin/sh
# Everybody is root here.
while [ $# -gt 0 ]; do
    case $1 in
        -u|-g|-U|-C|-p) shift 2;;
        --) shift; break;;
        -*) shift;;
        *) break;;
    esac
done
exec env "$@"
"""
#: Old masters' agents reach into java.lang.
_JAVA = """#!/bin/sh
exec {java} --add-opens java.base/java.lang=ALL-UNNAMED "$@"
"""


def write_wrappers(folder: Path) -> None:
    """What stands first in PATH inside every server."""
    folder.mkdir(parents=True, exist_ok=True)
    scripts = {"sudo": _SUDO}
    java = shutil.which("java")
    if java is not None and java.startswith("/usr/"):
        scripts["java"] = _JAVA.format(java=java)
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


def skeleton(root: Path) -> None:
    """The folders of an empty system; those that are there are left alone."""
    for name in (*_FOLDERS, *_MOUNTED, ".host-etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        host, own = Path("/") / name, root / name
        if host.is_symlink():
            if not own.is_symlink():
                own.symlink_to(os.readlink(host))
        elif host.is_dir():
            own.mkdir(exist_ok=True)
    java = [path.name for path in Path("/etc").glob("java*")]
    for name in (*_ETC, *java):
        own = root / "etc" / name
        if (Path("/etc") / name).exists() and not own.is_symlink() and not own.exists():
            own.symlink_to(f"/.host-etc/{name}")
    for name in ("passwd", "group", "hosts", "resolv.conf"):
        own = root / "etc" / name
        if not own.exists() and (Path("/etc") / name).exists():
            shutil.copyfile(Path("/etc") / name, own)


def home_of(username: str) -> str:
    return "/root" if username == "root" else f"/home/{username}"


def has_home(root: Path, username: str) -> bool:
    if "/" in username or username in ("", ".", ".."):
        return False
    return (root / home_of(username).lstrip("/")).is_dir()


def authorized_keys(root: Path, username: str) -> str:
    path = root / home_of(username).lstrip("/") / ".ssh" / "authorized_keys"
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def authorize(root: Path, username: str, public_key: str) -> None:
    """Let the key in, as cloud-init does at the first boot."""
    folder = root / home_of(username).lstrip("/") / ".ssh"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "authorized_keys"
    before = authorized_keys(root, username)
    if public_key.strip() not in before:
        path.write_text(before + public_key.strip() + "\n", encoding="utf-8")


def first_boot(root: Path, server: Server, login_users: Iterable[str]) -> None:
    """What a new server does to what its image gave it."""
    skeleton(root)
    (root / "etc/hostname").write_text(server.name + "\n", encoding="utf-8")
    if server.key is not None:
        for username in login_users:
            authorize(root, username, server.key.public_key)
    if server.config_drive:
        latest = root / "mnt/config/openstack/latest"
        latest.mkdir(parents=True, exist_ok=True)
        data = {
            "uuid": server.id,
            "name": server.name,
            "hostname": server.name,
            "availability_zone": server.zone,
            "meta": server.metadata,
        }
        if server.key is not None:
            data["public_keys"] = {server.key.name: server.key.public_key}
        (latest / "meta_data.json").write_text(json.dumps(data), encoding="utf-8")
        if server.user_data:
            (latest / "user_data").write_bytes(server.user_data)


def copy_tree(source: Path, target: Path) -> None:
    """All of it, links as links. CalledProcessError or OSError if that cannot be."""
    target.mkdir(parents=True, exist_ok=True)
    argv = ["cp", "-a", "--", f"{source}/.", str(target)]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)


def remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def command_argv(
    root: Path, wrappers: Path, name: str, username: str, command: str, shared: Iterable[Path]
) -> list[str]:
    """argv that runs a shell command inside; an empty one is an interactive shell."""
    skeleton(root)
    seen = [str(path) for path in shared]
    for path in seen:
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    unshare = ["unshare", "--mount", "--uts"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    inside = [str(root), str(wrappers), name, home_of(username), command or "exec /bin/sh"]
    return [*unshare, "/bin/sh", "-c", _ENTER, "enter", *inside, *seen]


def environment(server_id: str, username: str, extra: dict[str, str]) -> dict[str, str]:
    """Of a command; the server's id marks its processes."""
    return {
        "PATH": PATH,
        "HOME": home_of(username),
        "USER": username,
        "LOGNAME": username,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        **extra,
        "SANDBOX_SERVER": server_id,
    }


def kill_processes(server_id: str) -> None:
    """End everything that commands of this server left behind: it carries the server's mark."""
    mark = b"SANDBOX_SERVER=" + server_id.encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
