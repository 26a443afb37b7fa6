"""SshEdge: the core's calls to machines over SSH, on threads of their own, answered as events."""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

from nodepool.config.values import NodepoolConfig
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers import ssh_files
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.server_watch import Inbox
from nodepool.drivers.ssh import LOGIN_SECONDS, Login, Session
from nodepool.drivers.ssh_hosts import HostKeyMismatch, HostKeys
from nodepool.errors import LaunchError
from nodepool.model import MachineKey
from zuul.lib.workers import Lanes

log = logging.getLogger("nodepool.SshEdge")

#: seconds between two tries; no thread is held meanwhile
RETRY_SECONDS = 2.0
LOGIN_THREADS, PROBE_THREADS, PREPARE_THREADS = 16, 16, 64
#: whom base images let in
USERS = ("root", "ubuntu", "fedora", "cloud-user", "centos", "debian")
MOST_USERS = 1000
#: lines of a ready script that failed: its last ones
MOST_SAID = 50

SshCall = commands.Connect | commands.PrepareNode | commands.ProbeNode | commands.PrepareImage


class SshEdge:
    """`configure` before the first call."""

    def __init__(
        self,
        inbox: Inbox,
        keys: KeyRing,
        hosts: HostKeys,
        *,
        environment: Mapping[str, str],
        retry_seconds: float = RETRY_SECONDS,
        port: int = 22,
    ) -> None:
        """`environment`: its NODEPOOL_ variables are given to scripts."""
        self._inbox = inbox
        self._keys = keys
        self._hosts = hosts
        self._environment = environment
        self._retry_seconds = retry_seconds
        self._port = port
        self._config: NodepoolConfig | None = None
        #: of image builds: who was let in, with which key
        self._logins: dict[MachineKey, Login] = {}
        self._tries = Lanes("ssh", LOGIN_THREADS)
        #: nodes that are dead hold a thread for each try, and launches are not to wait for them
        self._probes = Lanes("probe", PROBE_THREADS)
        self._deeds = Lanes("prepare", PREPARE_THREADS)

    def configure(self, config: NodepoolConfig) -> None:
        self._config = config

    def start(self) -> None:
        for lanes in (self._tries, self._probes, self._deeds):
            lanes.start()

    def stop(self) -> None:
        for lanes in (self._tries, self._probes, self._deeds):
            lanes.stop()

    def submit(self, call: SshCall) -> None:
        deadline = 0.0
        if not isinstance(call, commands.PrepareImage):
            deadline = time.monotonic() + call.timeout_seconds
        work: Callable[[], None]
        match call:
            case commands.Connect():
                lanes, work = self._tries, lambda: self._connect(call, deadline)
            case commands.ProbeNode():
                lanes, work = self._probes, lambda: self._probe(call, deadline)
            case commands.PrepareNode():
                lanes, work = self._deeds, lambda: self._guard(call, self._prepare_node)
            case commands.PrepareImage():
                lanes, work = self._deeds, lambda: self._guard(call, self._prepare_image)
        try:
            lanes.submit(_lane(call), work, type(call).__name__)
        except queue.Full as error:
            self._failed(call, LaunchError(str(error)))

    # -- logins ------------------------------------------------------------------------------------

    def _connect(self, call: commands.Connect, deadline: float) -> None:
        try:
            login = self._try_users(call)
        except LaunchError as error:
            if isinstance(error, HostKeyMismatch) or not self._again(
                call, deadline, lambda: self._connect(call, deadline)
            ):
                self._failed(call, error)
            return
        if call.key.kind == "image":
            self._logins[call.key] = login
            while len(self._logins) > MOST_USERS:
                del self._logins[next(iter(self._logins))]
        self._inbox(events.Connected(call.key, self._hosts.take(call.key)))

    def _try_users(self, call: commands.Connect) -> Login:
        """The first login that works; the first one's error, if none does."""
        private_key: str | None = call.private_key
        if call.keypair is not None:
            private_key = self._keys.find(call.keypair)
        if private_key is None:
            raise LaunchError(f"The key of {call.keypair} was lost", stat_key="error.auth")
        failure: LaunchError | None = None
        for username in (call.username,) if call.username is not None else USERS:
            login = Login(call.key, call.address, username, private_key, port=self._port)
            try:
                self._try(login)
            except LaunchError as error:
                failure = failure or error
                if error.stat_key == "error.ssh":
                    break
            else:
                return login
        assert failure is not None
        raise failure

    def _try(self, login: Login) -> None:
        with Session(login, self._hosts) as session:
            said = session.run("echo access okay", "The probe", LOGIN_SECONDS)
        if "access okay" not in said:
            raise LaunchError(f"{login.username} gets no shell", stat_key="error.auth")

    def _probe(self, call: commands.ProbeNode, deadline: float) -> None:
        key = MachineKey("node", call.node_id)
        how = (key, call.address, call.username, call.private_key, call.host_keys, self._port)
        try:
            self._try(Login(*how))
        except LaunchError as error:
            again = not isinstance(error, HostKeyMismatch) and self._again(
                call, deadline, lambda: self._probe(call, deadline)
            )
            if not again:
                self._failed(call, error)
        else:
            self._inbox(events.NodeProbed(call.node_id, True, self._hosts.take(key)))

    def _again(self, call: SshCall, deadline: float, work: Callable[[], None]) -> bool:
        """False: it is too late for another try."""
        if time.monotonic() + self._retry_seconds > deadline:
            return False
        lanes = self._probes if isinstance(call, commands.ProbeNode) else self._tries
        try:
            lanes.submit_later(self._retry_seconds, _lane(call), work, type(call).__name__)
        except queue.Full:
            return False
        return True

    # -- deeds -------------------------------------------------------------------------------------

    def _guard(self, call: SshCall, deed: Callable[..., None]) -> None:
        try:
            deed(call)
        except LaunchError as error:
            self._failed(call, error)

    def _prepare_node(self, call: commands.PrepareNode) -> None:
        node, config = call.node, self._config
        provider = config.providers.get(node.provider) if config else None
        if provider is None:
            raise LaunchError(f"Provider {node.provider} is not configured")
        deadline = time.monotonic() + call.timeout_seconds
        files = ssh_files.node_files(node, provider.cloud)
        for index in (*range(1, len(node.machines)), 0):
            machine = node.machines[index]
            key = MachineKey("node", node.id, index)
            how = (call.username, call.private_key, machine.host_keys, self._port)
            with Session(Login(key, machine.ip or "", *how), self._hosts) as session:
                session.put(files[index], secret=f"{ssh_files.FOLDER}/id_rsa")
                if call.ready_script is not None:
                    command = ssh_files.script_command(
                        call.ready_script, machine.hostname, self._environment
                    )
                    self._run_ready_script(session, command, key, deadline)
        self._inbox(events.Prepared("node", node.id))

    def _run_ready_script(
        self, session: Session, command: str, key: MachineKey, deadline: float
    ) -> None:
        """The machine goes if it fails, so what it said last goes to the log."""
        said: deque[str] = deque(maxlen=MOST_SAID)
        try:
            session.run(command, "The ready script", deadline - time.monotonic(), said.append)
        except LaunchError:
            for line in said:
                log.warning("Ready script of node %d.%d said: %s", key.id, key.index, line)
            raise

    def _prepare_image(self, call: commands.PrepareImage) -> None:
        image, key = call.image, MachineKey("image", call.image.id)
        login = self._logins.get(key)
        if login is None:
            raise LaunchError("Nobody has logged into the build server", stat_key="error.ssh")
        login = replace(login, host_keys=call.machine.host_keys)
        script_dir = self._config.script_dir if self._config else None
        if call.setup is not None and script_dir is None:
            raise LaunchError("There is a setup script, and no script-dir")
        deadline = time.monotonic() + call.timeout_seconds
        name = f"nodepool.image.build.{image.provider}.{image.image}"
        said = logging.getLogger(name)

        def run(command: str, what: str) -> None:
            session.run(
                command, what, deadline - time.monotonic(), lambda line: said.info("%s", line)
            )

        with Session(login, self._hosts) as session:
            folder = ssh_files.FOLDER
            run(f"sudo mkdir -p {folder} && sudo chmod 0777 {folder}", "Making of its folder")
            if script_dir is not None:
                run("mkdir -p scripts", "Making of a folder for scripts")
                session.put(ssh_files.read_scripts(script_dir), 0o755)
                to = ssh_files.SCRIPTS
                run(f"sudo mv scripts {to} && sudo chmod -R a+rx {to}", "Moving of scripts")
            if call.setup is not None:
                command = ssh_files.script_command(call.setup, image.hostname, self._environment)
                run(f"export PATH={ssh_files.PATH} && {command}", "The setup script")
                run("sync", "The last sync")
        self._logins.pop(key, None)
        self._inbox(events.Prepared("image", image.id))

    def _failed(self, call: SshCall, error: LaunchError) -> None:
        level = logging.ERROR if isinstance(error, HostKeyMismatch) else logging.WARNING
        log.log(level, "%s failed: %s", type(call).__name__, error)
        match call:
            case commands.ProbeNode():
                self._hosts.take(MachineKey("node", call.node_id))
                self._inbox(events.NodeProbed(call.node_id, False, text=str(error)))
                return
            case commands.Connect():
                self._hosts.take(call.key)
                key, step = call.key, Step.CONNECT
            case commands.PrepareNode():
                key, step = MachineKey("node", call.node.id), Step.PREPARE
            case commands.PrepareImage():
                key, step = MachineKey("image", call.image.id), Step.PREPARE
        self._inbox(events.StepFailed(key, step, error.stat_key, str(error)))


def _lane(call: SshCall) -> Hashable:
    match call:
        case commands.Connect():
            return call.key
        case commands.ProbeNode():
            return ("probe", call.node_id)
        case commands.PrepareNode():
            return ("node", call.node.id)
    return ("image", call.image.id)
