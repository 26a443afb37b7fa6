"""Workers in a process of their own: `work.py ours|gear PORT CONNECTIONS FUNCTION`."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import gear

from zuul.lib.gearman import GearmanWorker, Task

RESULT = {"result": "SUCCESS"}


def ours(port: int, connections: int, function: str) -> None:
    def run(task: Task) -> dict[str, Any]:
        task.arguments()
        return RESULT

    worker = GearmanWorker("bench", "127.0.0.1", port, {function: run}, connections=connections)
    worker.start()
    worker.wait_connected(10.0)


def as_shipped(port: int, connections: int, function: str) -> None:
    def run(ready: threading.Semaphore) -> None:
        worker = gear.Worker("bench")
        worker.addServer("127.0.0.1", port)
        worker.waitForServer()
        worker.registerFunction(function)
        ready.release()
        while True:
            job = worker.getJob()
            json.loads(job.arguments)
            job.sendWorkComplete(json.dumps(RESULT).encode())

    ready = threading.Semaphore(0)
    for _ in range(connections):
        threading.Thread(target=run, args=(ready,), daemon=True).start()
    for _ in range(connections):
        ready.acquire()


def main() -> None:
    kind, port, connections, function = sys.argv[1:5]
    (ours if kind == "ours" else as_shipped)(int(port), int(connections), function)
    print("READY", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
