"""JenkinsMaster: what the bridge asks of one master, each a request or two.

python-jenkins is used where it does what is needed: session, login, crumb, whoami. Not for:

* `build_job`: it puts parameters into the URL, where those of a long gate queue do not fit, and
  reports EmptyResponseException or ValueError for builds that are queued, when the answer is a
  redirect or leads to the job's page (Hudson, some 1.5xx);
* `get_job_config`: it decodes the file by guess, and a job's bytes are to stay as they are;
* `disable_node`: it leaves a disconnected node alone, which would come back in use;
* `get_running_builds` and `get_queue_info`: a request each build, or all fields of all items.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gearman_plugin_shim.config import MasterConfig
from gearman_plugin_shim.model import PostKind, PostOutcome
from zuul.lib.jenkins.computers import set_offline
from zuul.lib.jenkins.errors import (
    JenkinsBadAnswer,
    JenkinsError,
    JenkinsNotFound,
    JenkinsRefused,
    JenkinsUnavailable,
)
from zuul.lib.jenkins.paths import (
    build_path,
    job_path,
    parse_queue_id,
)
from zuul.lib.jenkins.session import JenkinsSession

log = logging.getLogger("zuul.ShimJenkins")

_ACCEPTED: Final = frozenset({200, 201, 202, 302, 303})
_XML: Final = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a master says it is."""

    #: Jenkins or Hudson
    family: str
    version: str
    #: None: nobody, the master is open to all
    user: str | None
    jobs: int
    nodes: int
    #: what the bridge will miss
    troubles: tuple[str, ...] = ()


class JenkinsMaster:
    """One master; any thread. Every method may raise JenkinsError."""

    def __init__(self, session: JenkinsSession) -> None:
        self.session = session
        self.name = session.master

    def close(self) -> None:
        self.session.close()

    # Builds.

    def post_build(self, job: str, parameters: Mapping[str, str]) -> PostOutcome:
        """Ask for a build, once. Does not raise: what happened is the outcome."""
        has_form = bool(parameters)
        word = "buildWithParameters" if has_form else "build"
        path = f"{job_path(job)}{word}"
        form = {**parameters, "delay": "0sec"} if has_form else {"delay": "0sec"}
        try:
            answer = self.session.post(path, form)
        except JenkinsBadAnswer as error:
            return PostOutcome(PostKind.UNKNOWN, reason=error.reason)
        except JenkinsUnavailable as error:
            return PostOutcome(PostKind.UNKNOWN, reason=error.reason)
        except JenkinsError as error:
            # The crumb could not be had: the build was never asked for.
            return PostOutcome(PostKind.REFUSED, reason=error.reason)
        if answer.status in _ACCEPTED:
            queue_id = parse_queue_id(answer.headers.get("location"))
            return PostOutcome(PostKind.ACCEPTED, queue_id, answer.status)
        reason = f"answers HTTP {answer.status}"
        if 400 <= answer.status < 500 or "not buildable" in answer.text[:20_000].lower():
            return PostOutcome(PostKind.REFUSED, None, answer.status, reason)
        return PostOutcome(PostKind.UNKNOWN, None, answer.status, reason)

    def stop_build(self, job: str, number: int) -> None:
        """Interrupt a running build; nothing happens to one that has ended."""
        self.session.post_checked(f"{build_path(job, number)}stop")

    def cancel_item(self, queue_id: int) -> None:
        """Take an item out of the queue; one that has left it is no error."""
        try:
            self.session.post_checked("queue/cancelItem", {"id": str(queue_id)})
        except JenkinsNotFound:
            log.debug("Queue item has left the queue master=%s id=%d", self.name, queue_id)

    def cancel_index(self, index: int) -> None:
        """The same for a master whose items have no ids; `index` is its place in the queue now."""
        self.session.post_checked(f"queue/items/{index}/cancelQueue")

    def describe_build(self, job: str, number: int, description: str) -> None:
        """Set the description; HTML, as far as the master allows it."""
        path = f"{build_path(job, number)}submitDescription"
        self.session.post_checked(path, {"description": description})

    # Computers.

    def set_offline(self, url_name: str) -> bool:
        """Mark a computer temporarily offline; False if it was. Never the other way round."""
        return set_offline(self.session, url_name)

    # Jobs.

    def fetch_job_config(self, job: str) -> bytes:
        """A job's config.xml, byte for byte."""
        return self.session.get(f"{job_path(job)}config.xml").body

    def change_job_config(self, job: str, config_xml: bytes) -> None:
        path = f"{job_path(job)}config.xml"
        answer = self.session.post(path, body=config_xml, content_type=_XML)
        if answer.status >= 400:
            raise JenkinsRefused(self.name, path, answer.status)

    # Who it is.

    def identify(self) -> Identity:
        """Family, version, the user we are there, and what is missing."""
        found = self.session.get_json("api/json", {"tree": "jobs[name]"})
        family, version = self.fetch_version()
        computers = self.session.get_json("computer/api/json", {"tree": "computer[displayName]"})
        jobs, nodes = _count(found, "jobs"), _count(computers, "computer")
        troubles = [] if jobs else ["sees no job: Job/Read may be missing"]
        user = self._who(troubles)
        troubles += self._missing(found, computers)
        return Identity(family, version, user, jobs, nodes, tuple(troubles))

    def fetch_version(self) -> tuple[str, str]:
        """("Jenkins", "2.387.3"), or ("Hudson", "2.2.1"): old masters tell it on pages alone."""
        headers = self.session.get("").headers
        if "x-jenkins" in headers:
            return "Jenkins", headers["x-jenkins"]
        return "Hudson", headers.get("x-hudson", "unknown")

    def _who(self, troubles: list[str]) -> str | None:
        if self.session.user is None:
            return None
        try:
            with self.session.mapped("me/api/json"):
                found = self.session.client.get_whoami()
        except JenkinsNotFound:
            # An old master does not tell; it has answered to the login before.
            return self.session.user
        except JenkinsError as error:
            troubles.append(f"does not tell the user: {error.reason}")
            return None
        return str(found.get("id") or found.get("fullName") or "unknown")

    def _missing(self, root: Mapping[str, Any], computers: Mapping[str, Any]) -> list[str]:
        """Permissions that can be tried without changing anything."""
        missing = []
        jobs = [row.get("name") for row in root.get("jobs", ())][:1]
        for path in (f"{job_path(str(name))}config.xml" for name in jobs):
            try:
                self.session.get(path)
            except JenkinsRefused:
                missing.append(f"may not read {path}: Job/ExtendedRead, for add-parameters")
            except JenkinsNotFound:
                continue
        if not computers.get("computer"):
            missing.append("sees no computer")
        return missing


def _count(found: Mapping[str, Any], key: str) -> int:
    rows = found.get(key)
    return len(rows) if isinstance(rows, list) else 0


def session_of(config: MasterConfig) -> JenkinsSession:
    """A session as a [master] section wants it."""
    return JenkinsSession(
        config.name,
        config.url,
        config.user,
        config.apikey,
        timeout_seconds=config.timeout_seconds,
        connections=config.connections,
        ca=str(config.ca) if config.ca is not None else None,
    )
