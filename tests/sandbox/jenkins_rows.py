"""What the sandbox's REST resources show of the master: beans, for `tree=` and `depth=`."""

from __future__ import annotations

from tests.sandbox.jenkins_job_rows import ALWAYS, JobRows, Table, const, job_path, prop
from tests.sandbox.jenkins_labels import matches
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Node
from tests.sandbox.jenkins_tree import Bean


class Rows(JobRows):
    """Beans of one master, all of them."""

    def __init__(self, master: Master, url: str) -> None:
        super().__init__(master, url)
        self._name = "Jenkins" if master.modern else "Hudson"
        self._node_table = self._node_properties()
        self._folder_table: Table = {
            "description": const(""),
            "displayName": prop(_last),
            "fullDisplayName": prop(lambda name: " » ".join(name.split("/"))),
            "fullName": prop(lambda name: name),
            "name": prop(_last, ALWAYS),
            "url": prop(lambda name: self.url + job_path(name), ALWAYS),
            "jobs": prop(self._children),
        }

    # -- the whole -----------------------------------------------------------------------------

    def root(self) -> Bean:
        master = self._master
        own = master.nodes.get("")
        view = "all" if self._modern else "All"
        view_table: Table = {
            "description": const(None),
            "jobs": prop(lambda m: self._children("")),
            "name": const(view, ALWAYS),
            "url": const(self.url, ALWAYS),
        }
        all_view = self._bean("hudson.model.AllView", view_table, master)
        table = {
            "assignedLabels": prop(
                lambda m: [self.label(a) for a in sorted(own.atoms if own else ())]
            ),
            "mode": const(own.mode if own else "NORMAL"),
            "nodeDescription": const(f"the master {self._name} node"),
            "nodeName": const(""),
            "numExecutors": const(own.executors if own else 0),
            "description": const(None),
            "jobs": prop(lambda m: self._children("")),
            "overallLoad": const({}),
            "primaryView": const(all_view),
            "slaveAgentPort": const(-1),
            "useCrumbs": const(False),
            "useSecurity": const(False),
            "views": const([all_view]),
        }
        if self._modern:
            table["quietingDown"] = prop(lambda m: m.quieting)
            table["unlabeledLoad"] = const({})
            table["url"] = const(self.url)
        else:
            table["securedJobs"] = const([])
        return self._bean("hudson.model.Hudson", table, master)

    def _children(self, folder: str) -> list[Bean]:
        """Jobs and folders right below a folder, "" for the top, by name."""
        prefix = f"{folder}/" if folder else ""
        names = [
            name
            for name in (*self._master.folders, *self._master.jobs)
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]
        return [self.named(name) for name in sorted(names)]

    def named(self, name: str) -> Bean:
        """A job or folder that there is."""
        job = self._master.jobs.get(name)
        return self.folder(name) if job is None else self.job(job)

    def folder(self, name: str) -> Bean:
        return self._bean("com.cloudbees.hudson.plugins.folder.Folder", self._folder_table, name)

    # -- nodes ---------------------------------------------------------------------------------

    def computers(self) -> Bean:
        table = {
            "busyExecutors": prop(lambda m: sum(len(n.running) for n in m.nodes.values())),
            "computer": prop(
                lambda m: [self.computer(n) for n in m.nodes.values() if self._is_listed(n)],
                inline=True,
            ),
            "displayName": const("Nodes" if self._modern else "nodes"),
            "totalExecutors": prop(
                lambda m: sum(n.executors for n in m.nodes.values() if not n.is_offline)
            ),
        }
        return self._bean("hudson.model.ComputerSet", table, self._master)

    def _is_listed(self, node: Node) -> bool:
        """An old master without executors is none of its computers."""
        return self._modern or bool(node.name) or node.executors > 0

    def computer(self, node: Node) -> Bean:
        kind = "slaves.SlaveComputer" if node.name else "model.Hudson$MasterComputer"
        return self._bean(f"hudson.{kind}", self._node_table, node)

    def _node_properties(self) -> Table:
        own = "Built-In Node" if self._modern else "master"
        table = {
            "actions": const([]),
            "displayName": prop(lambda n: n.name or own, 2),
            "executors": prop(self._executors),
            "icon": prop(lambda n: f"computer{'-x' if n.is_offline else ''}.png"),
            "idle": prop(lambda n: not n.running),
            "jnlpAgent": const(False),
            "launchSupported": const(True),
            "loadStatistics": const({}),
            "manualLaunchAllowed": const(True),
            "monitorData": const({}),
            "numExecutors": prop(lambda n: n.executors),
            "offline": prop(lambda n: n.is_offline),
            "offlineCause": prop(self._offline_cause),
            "oneOffExecutors": const([]),
            "temporarilyOffline": prop(lambda n: n.temporarily_offline),
        }
        if self._modern:
            table["assignedLabels"] = prop(lambda n: [self._label(a) for a in sorted(n.atoms)])
            table["description"] = prop(lambda n: n.description)
            table["offlineCauseReason"] = prop(lambda n: n.offline_reason if n.is_offline else "")
        else:
            table["runningJobs"] = const([])
        return table

    def _offline_cause(self, node: Node) -> Bean | None:
        if not node.is_offline:
            return None
        text = node.offline_reason
        table = {"description": const(text, 2)} if self._modern else {}
        return self._bean("hudson.slaves.OfflineCause$ByCLI", table, None)

    def _executors(self, node: Node) -> list[Bean]:
        return [self._executor(node, i) for i in range(max(node.executors, *(0, *_past(node))))]

    def _executor(self, node: Node, index: int) -> Bean:
        build = node.running.get(index)
        table = {
            "currentExecutable": const(None if build is None else self.build(build)),
            "currentWorkUnit": const(None if build is None else {}),
            "idle": const(build is None),
            "likelyStuck": const(False),
            "number": const(index),
            "progress": const(-1 if build is None or build.estimated_ms <= 0 else 50),
        }
        return self._bean("hudson.model.Executor", table, None)

    def label(self, expression: str) -> Bean:
        """What is known of a label, or of any expression: the nodes it fits, the jobs tied to it.
        BadLabelExpression if it is none."""
        master = self._master
        nodes = [node for node in master.nodes.values() if matches(expression, node.atoms)]
        tied = [job for job in master.jobs.values() if job.label == expression]
        up = [node for node in nodes if not node.is_offline]
        busy = sum(len(node.running) for node in up)
        total = sum(node.executors for node in up)
        table = {
            "actions": const([]),
            "busyExecutors": const(busy),
            "clouds": const([]),
            "description": const("" if nodes else "invalid label"),
            "idleExecutors": const(total - busy),
            "loadStatistics": const({}),
            "name": const(expression),
            "nodes": const([self._node(node) for node in nodes]),
            "offline": const(not up),
            "tiedJobs": const([self.job(job) for job in tied]),
            "totalExecutors": const(total),
            "propertiesList": const([]),
        }
        return self._bean("hudson.model.labels.LabelAtom", table, None)

    def _node(self, node: Node) -> Bean:
        table = {
            "assignedLabels": const([self._label(name) for name in sorted(node.atoms)]),
            "mode": const(node.mode),
            "nodeDescription": const(node.description),
            "nodeName": const(node.name, 2),
            "numExecutors": const(node.executors),
        }
        return self._bean("hudson.slaves.DumbSlave", table, None)

    def _label(self, name: str) -> Bean:
        return self._bean("hudson.model.labels.LabelAtom", {"name": const(name, 1)}, None)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _past(node: Node) -> list[int]:
    """Executors that are still busy though the node has fewer by now."""
    return [index + 1 for index in node.running]
