"""`gearman-plugin-shim jobs add-parameters`: let jobs declare what Zuul sends."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence

from gearman_plugin_shim.config import ShimConfig
from gearman_plugin_shim.jenkins import JenkinsMaster, session_of
from gearman_plugin_shim.jenkins_job_xml import STRING, TEXT, BadJobXml, add_parameters
from zuul.lib.jenkins.errors import JenkinsError, JenkinsNotFound
from zuul.lib.logs import redact


def add_parameters_to_jobs(
    config: ShimConfig, jobs: Sequence[str], master: str | None, *, dry_run: bool
) -> int:
    """Print what changes, as a unified diff, and change it; 1 if any job was left undone.

    Without `master` a job is changed on every master that has it.
    """
    if master is not None and master not in config.masters:
        names = ", ".join(config.masters)
        print(f"no [master {master}] in {config.source}, there are: {names}", file=sys.stderr)
        return 1
    chosen = [each for name, each in config.masters.items() if master in (None, name)]
    masters = [JenkinsMaster(session_of(each)) for each in chosen]
    try:
        results = [_change(masters, job, dry_run) for job in jobs]
    finally:
        for each in masters:
            each.close()
    return 0 if all(results) else 1


def _change(masters: Sequence[JenkinsMaster], job: str, dry_run: bool) -> bool:
    """One job on all masters; False, and told why, if it is somewhere as it was."""
    places, done = 0, True
    for master in masters:
        try:
            before = master.fetch_job_config(job)
            places += 1
            family, _ = master.fetch_version()
            after = add_parameters(before, kind=TEXT if family == "Jenkins" else STRING)
            if after is before:
                print(f"{job} on {master.name}: declares everything already")
                continue
            sys.stdout.write(_diff(before, after, f"{master.name}/{job}/config.xml"))
            if not dry_run:
                master.change_job_config(job, after)
        except JenkinsNotFound:
            continue
        except (JenkinsError, BadJobXml) as error:
            print(redact(f"{job} on {master.name}: {error}"), file=sys.stderr)
            places, done = places + 1, False
    if not places:
        print(f"{job}: no master has it", file=sys.stderr)
    return done and places > 0


def _diff(before: bytes, after: bytes, name: str) -> str:
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)
