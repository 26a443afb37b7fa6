"""Real Hudson 2.2.1 masters on loopback, for contract and acceptance tests.

A master may be stopped, killed and started again on the same port and home. Its builds run on
executors of its own, or on nodes that it starts itself with a command on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import requests

from tests.sandbox.jenkins_model import Mode, Parameter
from tests.sandbox.jenkins_people import ZUUL_PARAMETERS
from tests.sandbox.jenkins_xml import job_xml
from tests.sandbox.process import Block
from tests.support.real_hudson_war import RealHudsonUnavailable, ensure_hudson
from tests.support.services import unavailable

__all__ = ["RealHudson", "RealHudsonUnavailable", "real_hudsons"]

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
REST_SECONDS = 30.0
_BASE_PACKAGES = (
    *("java.lang", "java.lang.reflect", "java.lang.invoke", "java.util", "java.util.concurrent"),
    *("java.util.concurrent.atomic", "java.util.zip", "java.text", "java.net", "java.io"),
    *("java.nio", "java.math", "java.security", "sun.nio.ch", "sun.reflect.annotation"),
    "jdk.internal.loader",
)
_DESKTOP_PACKAGES = ("java.awt", "java.awt.font", "javax.swing")
_AGENT = "java --add-opens java.base/java.lang=ALL-UNNAMED -Xmx64m -XX:+UseSerialGC -jar {jar}"
_CONFIG = """<?xml version='1.0' encoding='UTF-8'?>
<hudson>
  <version>2.2.1</version>
  <numExecutors>{executors}</numExecutors>
  <mode>NORMAL</mode>
  <useSecurity>false</useSecurity>
  <quietPeriod>{quiet}</quietPeriod>
  <slaveAgentPort>-1</slaveAgentPort>
</hudson>
"""


class RealHudson(Block):
    """One master in a home of its own; `url` ends with a slash. start(), stop(), kill(), any
    number of times, then close(), or a `with` block. RealHudsonUnavailable on start()."""

    modern = False

    def __init__(self, *, executors: int = 2, quiet_seconds: int = 5, port: int = 0) -> None:
        self.port = port or free_port()
        self.home = Path(tempfile.mkdtemp(prefix="real-hudson-"))
        self._agents = self.home / "agents"
        self._process: subprocess.Popen[bytes] | None = None
        config = _CONFIG.format(executors=executors, quiet=quiet_seconds)
        (self.home / "config.xml").write_text(config)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    # -- life ----------------------------------------------------------------------------------

    def launch(self) -> RealHudson:
        """Start the process; `await_ready` waits until it answers. Several may start at once."""
        assert self._process is None, "it runs already"
        command = _command(ensure_hudson(), self.home, self.port)
        with (self.home / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def await_ready(self) -> RealHudson:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Hudson ended while starting: {self.log()[-2000:]}")
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}api/json", timeout=10).text.startswith("{"):
                    return self
            time.sleep(0.1)
        raise TimeoutError(f"Hudson was not ready after {START_SECONDS} s: {self.log()[-2000:]}")

    def start(self) -> Self:
        try:
            return self.launch().await_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM, as an operator does; SIGKILL if that does not help."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        _end_group(process)

    def kill(self) -> None:
        """SIGKILL for the master and all that it started."""
        process, self._process = self._process, None
        if process is not None:
            _end_group(process)

    def end(self) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        path = self.home / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- jobs and nodes ------------------------------------------------------------------------

    def get(self, path: str, **parameters: str) -> Any:
        """JSON of a path below the root, `/api/json` included."""
        answer = requests.get(self.url + path, params=parameters, timeout=REST_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def post(
        self, path: str, data: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> requests.Response:
        """The answer itself; redirects are not followed, errors raise."""
        answer = requests.post(
            self.url + path,
            params=query,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=REST_SECONDS,
        )
        answer.raise_for_status()
        return answer

    def add_job(
        self,
        name: str,
        script: str | Iterable[str] = "true",
        *,
        labels: str | None = None,
        parameters: Iterable[str | Parameter] = ZUUL_PARAMETERS,
        concurrent: bool = True,
        disabled: bool = False,
        quiet_seconds: float | None = None,
        description: str = "",
    ) -> None:
        """As SandboxJenkins.add_job; there are no folders here."""
        text = job_xml(
            [script] if isinstance(script, str) else script,
            label=labels,
            parameters=[Parameter(p) if isinstance(p, str) else p for p in parameters],
            concurrent=concurrent,
            disabled=disabled,
            quiet_seconds=quiet_seconds,
            description=description,
            modern=False,
        )
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        known = {job["name"] for job in self.get("api/json", tree="jobs[name]").get("jobs", ())}
        if name in known:
            self.post(f"job/{quote(name)}/config.xml", text.encode(), headers)
        else:
            self.post("createItem", text.encode(), headers, name=name)

    def remove_job(self, name: str) -> None:
        self.post(f"job/{quote(name)}/doDelete")

    def set_disabled(self, name: str, disabled: bool = True) -> None:
        self.post(f"job/{quote(name)}/{'disable' if disabled else 'enable'}")

    def add_node(
        self, name: str, labels: str = "", executors: int = 1, mode: Mode = "NORMAL"
    ) -> None:
        """A node whose agent the master starts with a command here; waits until it is online.
        Let one build there come to its end before another is stopped: an agent interrupted while
        it still loads classes fails all builds after that."""
        jar = self.home / "slave.jar"
        if not jar.exists():
            answer = requests.get(f"{self.url}jnlpJars/slave.jar", timeout=REST_SECONDS)
            answer.raise_for_status()
            jar.write_bytes(answer.content)
        folder = self._agents / quote(name, safe="")
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {
            "name": name,
            "nodeDescription": "",
            "numExecutors": executors,
            "remoteFS": str(folder),
            "labelString": labels,
            "mode": mode,
            "retentionStrategy": {"stapler-class": "hudson.slaves.RetentionStrategy$Always"},
            "nodeProperties": {"stapler-class-bag": "true"},
            "launcher": {
                "stapler-class": "hudson.slaves.CommandLauncher",
                "command": _AGENT.format(jar=jar),
            },
        }
        form = {"name": name, "type": "hudson.slaves.DumbSlave$DescriptorImpl"}
        self.post("computer/doCreateItem", {**form, "json": json.dumps(wanted)})
        path = f"computer/{quote(name)}/api/json"
        self._wait_until(lambda: not self.get(path)["offline"], f"node {name} is online")

    def remove_node(self, name: str) -> None:
        self.post(f"computer/{quote(name)}/doDelete")

    def set_offline(self, name: str, offline: bool = True, reason: str = "") -> None:
        path = f"computer/{quote(name)}/"
        if self.get(f"{path}api/json")["temporarilyOffline"] != offline:
            self.post(f"{path}toggleOffline", offlineMessage=reason)

    def quiet_down(self, quiet: bool = True) -> None:
        self.post("quietDown" if quiet else "cancelQuietDown")

    def builds(self, job: str, uuid: str | None = None) -> list[dict[str, Any]]:
        """Rows of REST, newest first, each with its `parameters` as a dictionary."""
        tree = (
            "builds[number,url,building,result,builtOn,timestamp,duration,description,"
            "actions[parameters[name,value]]]"
        )
        rows = self.get(f"job/{quote(job)}/api/json", tree=tree).get("builds", [])
        for row in rows:
            row["parameters"] = {
                one["name"]: one.get("value")
                for action in row["actions"]
                if action
                for one in action.get("parameters", ())
            }
        return [row for row in rows if uuid in (None, row["parameters"].get("ZUUL_UUID"))]

    def _wait_until(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {REST_SECONDS} s: {what}")
            time.sleep(0.1)


@contextlib.contextmanager
def real_hudsons(count: int, *, executors: int = 2) -> Iterator[list[RealHudson]]:
    """So many masters, started side by side; without Java the test is skipped, or fails in CI."""
    masters = [RealHudson(executors=executors) for _ in range(count)]
    try:
        try:
            for master in masters:
                master.launch()
        except RealHudsonUnavailable as lack:
            unavailable(str(lack))
        for master in masters:
            master.await_ready()
        yield masters
    finally:
        for master in masters:
            master.close()


def free_port() -> int:
    """A loopback port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _command(made: Path, home: Path, port: int) -> list[str]:
    opens = [f"java.base/{name}" for name in _BASE_PACKAGES]
    opens += [f"java.desktop/{name}" for name in _DESKTOP_PACKAGES]
    return [
        "java",
        *(word for name in opens for word in ("--add-opens", f"{name}=ALL-UNNAMED")),
        *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        # Proving that its old classes are well-formed takes a third of a start.
        *("-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"),
        "-Dhudson.PluginStrategy=hudson.ClassicPluginStrategy",
        "-Djava.awt.headless=true",
        # Its own way of killing what a build started needs a class that newer Javas have not.
        *("-Dhudson.util.ProcessTreeKiller.disable=true", "-Dhudson.util.ProcessTree.disable=true"),
        "-Dfile.encoding=UTF-8",
        f"-DHUDSON_HOME={home}",
        *("-cp", f"{made}{os.pathsep}{made / 'hudson.war'}", "Launch"),
        *(f"--httpPort={port}", "--httpsPort=-1", "--ajp13Port=-1", f"--httpListenAddress={HOST}"),
    ]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def main() -> int:
    """`python -m tests.support.real_hudson [COUNT]`: masters to look at; prints their URLs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with real_hudsons(count) as masters:
        print(json.dumps([master.url for master in masters]), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
