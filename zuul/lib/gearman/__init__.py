"""Everything the suite says and hears in Gearman's language.

`GearmanServer` is the server zuul-server embeds, `GearmanClient` submits jobs, `GearmanWorker`
serves functions, `WorkerHub` has many workers' connections in one thread, `AdminClient` asks a
server about itself. All of them work with C gearmand too.
"""

from zuul.lib.gearman.admin import (
    AdminClient,
    AdminError,
    FunctionRegistry,
    FunctionStatus,
    parse_status,
)
from zuul.lib.gearman.client import ClientJob, GearmanClient, JobListener, Outcome
from zuul.lib.gearman.hub import WorkerHub
from zuul.lib.gearman.hub_links import HubListener, JobRef
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import PacketType
from zuul.lib.gearman.queue import Priority, QueueTotals
from zuul.lib.gearman.server import GearmanServer, ServerObserver
from zuul.lib.gearman.session import TakenJob
from zuul.lib.gearman.worker import BadArguments, GearmanWorker, Refused, Reply, Task, TaskFailed

__all__ = [
    "AdminClient",
    "AdminError",
    "BadArguments",
    "ClientJob",
    "FunctionRegistry",
    "FunctionStatus",
    "GearmanClient",
    "GearmanServer",
    "GearmanWorker",
    "HubListener",
    "JobListener",
    "JobRef",
    "Limits",
    "Outcome",
    "PacketType",
    "Priority",
    "QueueTotals",
    "Refused",
    "Reply",
    "ServerObserver",
    "TakenJob",
    "Task",
    "TaskFailed",
    "WorkerHub",
    "parse_status",
]
