"""nova_all.py PORT: nova-api, -conductor, -scheduler and -compute as threads of one process.

One process, so oslo.messaging's in-memory transport (transport_url = fake:///)
carries the RPC and no message broker is needed.
"""

from nova import monkey_patch

monkey_patch.patch(backend="threading")

import logging  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

import sqlalchemy.orm  # noqa: E402
import sqlite_tune  # noqa: E402
import waitress  # noqa: E402

port = int(sys.argv[1])
sys.argv = ["nova-api"]

# load_compute_driver() only looks below nova.virt
import nova.virt  # noqa: E402
import snapfake  # noqa: E402

sys.modules["nova.virt.snapfake"] = snapfake
nova.virt.snapfake = snapfake

import nova.conf  # noqa: E402
import nova.context  # noqa: E402
import os_brick  # noqa: E402
import os_vif  # noqa: E402
from nova import service, utils  # noqa: E402
from nova.compute import rpcapi as compute_rpcapi  # noqa: E402
from nova.conductor import rpcapi as conductor_rpcapi  # noqa: E402
from nova.objects import host_mapping  # noqa: E402
from nova.scheduler import rpcapi as scheduler_rpcapi  # noqa: E402
from nova.wsgi.osapi_compute import application  # noqa: E402  (parses nova.conf)
from oslo_privsep import priv_context  # noqa: E402

CONF = nova.conf.CONF
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(CONF)
os_vif.initialize()


def start_services():
    for binary, topics in (
        ("nova-conductor", {"topic": conductor_rpcapi.RPC_TOPIC}),
        ("nova-scheduler", {"topic": scheduler_rpcapi.RPC_TOPIC}),
        (
            "nova-compute",
            {"topic": compute_rpcapi.RPC_TOPIC, "topic_alt": compute_rpcapi.RPC_TOPIC_ALT},
        ),
    ):
        svc = service.Service.create(binary=binary, **topics)
        svc.start()
        running.append(svc)
    # what "nova-manage cell_v2 discover_hosts" does
    host_mapping.discover_hosts(nova.context.get_admin_context())


def wait_for_ports():
    import socket
    import time

    for p in os.environ.get("WAIT_PORTS", "").split():
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", int(p)), 1).close()
                break
            except OSError:
                time.sleep(0.1)


if os.environ.get("WITH_NEUTRON") == "0":
    import noneutron

    noneutron.install()
running = []
try:
    wait_for_ports()
    start_services()
except BaseException:
    # nova's pools have non-daemon threads: without this the process stays, deaf
    logging.getLogger("nova").exception("start failed")
    sys.__excepthook__(*sys.exc_info())
    os._exit(1)

# Everything lives in this process: no graceful drain needed.
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
sqlalchemy.orm.configure_mappers()  # else two first requests at once can fail (HTTP 500)
sqlite_tune.quiet_gc()
waitress.serve(
    application, host="127.0.0.1", port=port, threads=16, ident=None, connection_limit=1000
)  # 100 keep-alive clients would stall everybody else for 2 minutes
