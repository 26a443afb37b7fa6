"""GearmanLinks: the bridge's commands on the wire, and what comes back as events."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from gearman_plugin_shim.commands import (
    AllowJobs,
    CompleteJob,
    FailJob,
    GearmanCommand,
    OpenLink,
    RetireLink,
    SendData,
    SendStatus,
    SetFunctions,
)
from gearman_plugin_shim.config import GearmanConfig
from gearman_plugin_shim.events import Event, JobTaken, LinkLost, LinkOpened
from gearman_plugin_shim.model import JobRef
from zuul.lib import gearman
from zuul.lib.gearman import PacketType, TakenJob, WorkerHub
from zuul.lib.tls import client_context


class GearmanLinks:
    """All connections to the Gearman server. Raises OSError for TLS files that cannot be used."""

    def __init__(self, config: GearmanConfig, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        context = ssl_context_of(config)
        self._hub = WorkerHub(config.server, config.port, self, ssl_context=context)

    def start(self) -> None:
        self._hub.start()

    def stop(self) -> None:
        """Send what has been asked for, then close."""
        self._hub.flush(1.0)
        self._hub.stop()

    def execute(self, command: GearmanCommand) -> None:
        hub = self._hub
        match command:
            case OpenLink():
                hub.open_link(
                    command.link,
                    command.client_id,
                    command.functions,
                    command.total,
                    command.capacity,
                )
            case SetFunctions(link=link, functions=functions):
                hub.set_functions(link, functions)
            case AllowJobs(link=link, total=total, capacity=capacity):
                hub.allow(link, total, capacity)
            case RetireLink(link=link):
                hub.retire_link(link)
            case SendData(ref=ref, data=data):
                hub.report(_there(ref), (PacketType.WORK_DATA, (data,)))
            case SendStatus(ref=ref, numerator=numerator, denominator=denominator):
                parts = (str(numerator).encode(), str(denominator).encode())
                hub.report(_there(ref), (PacketType.WORK_STATUS, parts))
            case CompleteJob(ref=ref, data=data):
                hub.report(_there(ref), (PacketType.WORK_COMPLETE, (data,)))
            case FailJob(ref=ref, exception=None):
                hub.report(_there(ref), (PacketType.WORK_FAIL, ()))
            case FailJob(ref=ref, exception=str(text)):
                # gear's servers end the job at the first, gearmand at the second.
                words = text.encode(errors="replace")
                hub.report(
                    _there(ref), (PacketType.WORK_EXCEPTION, (words,)), (PacketType.WORK_FAIL, ())
                )

    # HubListener, on the hub's thread.

    def link_opened(self, link: str, generation: int) -> None:
        self._tell(LinkOpened(link, generation))

    def link_lost(self, link: str, generation: int) -> None:
        self._tell(LinkLost(link, generation))

    def job_taken(self, ref: gearman.JobRef, job: TakenJob, taken: int) -> None:
        here = JobRef(ref.link, ref.generation, ref.handle)
        self._tell(JobTaken(here, job.function, job.unique, job.payload, taken))


def _there(ref: JobRef) -> gearman.JobRef:
    return gearman.JobRef(ref.link, ref.generation, ref.handle)


def ssl_context_of(config: GearmanConfig) -> ssl.SSLContext | None:
    """Both sides show certificates of the one authority; gear's servers are known by no name."""
    # Compat: certificates of Gearman servers carry no host names, gear never looked at them.
    return client_context(config.tls, check_hostname=False) if config.tls else None
