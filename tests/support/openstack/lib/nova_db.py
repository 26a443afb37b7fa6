"""nova_db.py CONF CELL0_FILE: four nova-manage calls in one process (2-3 s of imports each)."""

import shutil
import sys

from nova import config

config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
from nova import objects  # noqa: E402
from nova.cmd import manage  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.db import migration  # noqa: E402

objects.register_all()
migration.db_sync(database="api")
migration.db_sync(database="main")
main_file = CONF.database.connection[len("sqlite:///") :]
import sqlite3  # noqa: E402

with sqlite3.connect(main_file) as con:  # cell0 has the same tables
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
shutil.copy(main_file, sys.argv[2])
cells = manage.CellV2Commands()
assert cells.map_cell0(database_connection="sqlite:///" + sys.argv[2]) in (0, None)
assert cells.create_cell(name="cell1") in (0, None)
