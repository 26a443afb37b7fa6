"""`gearman-plugin-shim --check`: is the file right, and who are the masters?"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from gearman_plugin_shim.config import MasterConfig, ShimConfig
from gearman_plugin_shim.jenkins import Identity, JenkinsMaster, session_of
from zuul.lib.jenkins.errors import JenkinsError
from zuul.lib.logs import redact

#: masters asked at once
_THREADS = 8


def check_masters(config: ShimConfig) -> int:
    """Print a line a master, and what is missing; 1 if anything is."""
    masters = list(config.masters.values())
    with ThreadPoolExecutor(_THREADS, "check") as pool:
        found = list(pool.map(_ask, masters))
    status = 0
    for master, identity in zip(masters, found, strict=True):
        if isinstance(identity, JenkinsError):
            status = 1
            print(redact(f"{master.name}: {identity}"), file=sys.stderr)
            continue
        print(describe(master, identity))
        for trouble in identity.troubles:
            status = 1
            print(f"{master.name}: {trouble}", file=sys.stderr)
    return status


def _ask(config: MasterConfig) -> Identity | JenkinsError:
    master = JenkinsMaster(session_of(config))
    try:
        return master.identify()
    except JenkinsError as error:
        return error
    finally:
        master.close()


def describe(config: MasterConfig, identity: Identity) -> str:
    """One line: `jenkins01: Jenkins 2.387.3 at URL as zuul, 12 jobs, 3 nodes`."""
    who = f"as {identity.user}" if identity.user else "as nobody"
    return (
        f"{config.name}: {identity.family} {identity.version} at {config.url} {who}, "
        f"{identity.jobs} jobs, {identity.nodes} nodes"
    )
