"""serve.py keystone|glance|placement|neutron PORT: one WSGI service, threads, loopback only."""

import importlib
import logging
import os
import sys

import sqlalchemy.orm
import sqlite_tune  # before the service touches SQLAlchemy
import waitress

name, port = sys.argv[1], int(sys.argv[2])
sys.argv = [name]  # the services parse sys.argv themselves
if name == "neutron":
    # neutron.wsgi.api has no OS_*_CONFIG_DIR variable of its own
    sys.argv += ["--config-file", os.path.join(os.environ["OS_HOME_ETC"], "neutron.conf")]
    import neutron.db.migration.models.head  # noqa: F401  (all its models, for configure_mappers)
app = importlib.import_module(f"{name}.wsgi.api").application
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
sqlalchemy.orm.configure_mappers()  # else two first requests at once can fail (HTTP 500)
sqlite_tune.quiet_gc()
waitress.serve(
    app, host="127.0.0.1", port=port, threads=8, ident=None, connection_limit=1000
)  # 100 keep-alive clients would stall everybody else for 2 minutes
