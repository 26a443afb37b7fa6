"""A Gearman server in a process of its own: `serve.py ours|gear PORT`, until its input ends."""

from __future__ import annotations

import sys

import gear

from zuul.lib.gearman import GearmanServer


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "ours":
        GearmanServer("127.0.0.1", port).start()
    else:
        gear.Server(port, host="127.0.0.1")
    print("READY", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
