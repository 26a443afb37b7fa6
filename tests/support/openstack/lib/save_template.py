"""save_template.py OS_HOME TARFILE: a consistent copy of the state of a running openstack-up."""

import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile

home, target = sys.argv[1:]
with tempfile.TemporaryDirectory(dir=home) as tmp:
    os.mkdir(tmp + "/db")
    for name in os.listdir(home + "/db"):
        if name.endswith(".db"):
            with (
                sqlite3.connect(f"{home}/db/{name}") as src,
                sqlite3.connect(f"{tmp}/db/{name}") as dst,
            ):
                src.backup(dst)
    open(tmp + "/db/.done", "w").close()
    open(tmp + "/db/.filled", "w").close()
    for d in ("keys", "images", "state"):
        shutil.copytree(f"{home}/{d}", f"{tmp}/{d}")
    with tarfile.open(target + ".part", "w") as tar:
        for d in ("db", "keys", "images", "state"):
            tar.add(f"{tmp}/{d}", d)
os.rename(target + ".part", target)
