"""Runs the story, shows it, and judges how it ended."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent
from typing import Any

import requests
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.demo.guest import welcome
from tests.demo.nodes import Nodes, own_network, raise_loopback, why_not
from tests.demo.review import Review, approve, explain_rejection, found_project, read_review
from tests.demo.screen import draw
from tests.demo.story import (
    APP,
    CHANGES,
    FUNCTIONS,
    LABEL,
    LAYOUT,
    LIBRARY,
    NO_FUNCTIONS,
    START,
    Planned,
)
from tests.sandbox.developer import Developer, Upload
from tests.sandbox.gerrit import SandboxGerrit
from tests.support.masters import PASSWORD, TOKEN, USER, Masters
from tests.support.processes import NotInTime, find_free_port
from tests.support.suite import Suite

#: nothing in the story takes this long
PATIENCE_SECONDS = 150.0
#: shows the queue long enough to be seen
BUILD_SECONDS = 1.0
#: for the console: other people's words as they are
_PLAIN: dict[str, Any] = {"soft_wrap": True, "markup": False, "highlight": False}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave all running, to push changes of your own"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        raise_loopback()
    elif not options.keep and why_not() is not None and (network := own_network()) is not None:
        # Whose pages nobody could open: not with --keep.
        command = [*network, sys.executable, "-m", "tests.demo", "--inside"]
        os.execvp(command[0], command)
    # Ended from outside, it still ends what it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="zuul-demo-") as folder:
        return Demo(Path(folder), console).run(keep=options.keep, hidden=options.inside)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


class Demo:
    """One showing."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._uploads: dict[str, Upload] = {}
        self._names: dict[str, str] = {}
        self._nodes: Nodes | None = None
        self._hidden = False

    def run(self, *, keep: bool, hidden: bool = False) -> int:
        """`hidden`: in a network that no browser gets into."""
        self._hidden = hidden
        started = time.monotonic()
        say = self._console.print
        say("Starting a sandbox Gerrit, zuul-server, two zuul-mergers,")
        say("two sandbox Jenkins masters, the bridge in front of them,")
        lack = why_not()
        if lack is None:
            say("nodepoold, and a sandbox OpenStack that it takes servers from ...")
        else:
            say(f"and neither cloud nor nodepoold: here {lack}.")
            say("[yellow]The masters build on executors of their own.[/yellow]")
        with SandboxGerrit(self._folder / "gerrit") as gerrit:
            self._endpoint = gerrit.endpoint
            founder = Developer(gerrit.endpoint, "zuul", self._folder / "founder")
            for project, files in START.items():
                gerrit.create_project(project)
                found_project(founder, project, files)
            functions = FUNCTIONS if lack is None else NO_FUNCTIONS
            (self._folder / "functions.py").write_text(functions)
            self._suite = Suite(self._folder, gerrit.endpoint, LAYOUT, _jobs(), workers=0)
            self._start_masters(with_nodes=lack is None)
            try:
                self._start()
                self._play()
                self._await_end_of_nodes()
                passed = self._judge(self._read_reviews()) & self._judge_nodes()
                verdict = (
                    "It went as it must." if passed else "[red]It did not go as it must.[/red]"
                )
                say(f"{verdict} {time.monotonic() - started:.0f} s")
                if keep:
                    self._stay()
            except NotInTime as late:
                say(f"[red]{late}[/red]")
                passed = False
            finally:
                self._suite.stop()
                if self._nodes is not None:
                    self._nodes.stop()
        return 0 if passed else 1

    def _start_masters(self, *, with_nodes: bool) -> None:
        jobs = _jobs()
        if not with_nodes:
            self._masters = Masters(self._suite, jobs)
            return
        self._masters = Masters(self._suite, jobs, executors=0, label=LABEL)
        self._nodes = Nodes(self._suite, self._masters, LABEL, find_free_port())

    def _start(self) -> None:
        """Until builds can be taken."""
        say = self._console.print
        starts = [self._suite.start, self._masters.start]
        starts += [self._nodes.start] if self._nodes is not None else []
        with ThreadPoolExecutor() as threads:
            for start in [threads.submit(start) for start in starts]:
                start.result()
        if self._hidden:
            say("It is in a network of its own; as root, its pages can be opened.")
        else:
            say(f"The status page: [link={self._suite.url}/]{self._suite.url}/[/link]")
        if self._nodes is not None:
            if not self._hidden:
                say(f"The nodes: [link={self._nodes.url}/]{self._nodes.url}/[/link]")
            title = "nodes: an image is made, servers of it boot and are given to the masters"
            self._watch(title, self._nodes.are_ready)
        self._suite.wait_for_functions([f"build:{job}" for job in _jobs()])

    def _play(self) -> None:
        developer = Developer(self._endpoint, "dev", self._folder / "dev")
        for planned in CHANGES:
            self._push(developer, planned)
        self._watch("check: every change alone", lambda: self._all_have("Verified +1 by zuul"))
        self._console.print("All four passed on their own. Approving them all at once ...")
        for upload in self._uploads.values():
            approve(self._endpoint, "core", upload.number)
        self._watch("gate: the first builds", self._both_masters_build)
        name = self._masters.names[0]
        self._console.print(f"Master {name} is stopped in the middle of its builds ...")
        self._masters.master(name).stop()
        self._masters.start_master(name)
        self._console.print("... and is back. What it had begun is built again.")
        self._watch("gate: every change on top of those ahead of it", self._all_decided)

    def _push(self, developer: Developer, planned: Planned) -> None:
        footers = []
        if planned.depends_on:
            footers.append(f"Depends-On: {self._uploads[planned.depends_on].change_id}")
        upload = developer.upload(planned.project, planned.subject, planned.files, footers=footers)
        self._uploads[planned.letter] = upload
        self._names[f"{upload.number},1"] = f"{planned.letter} {planned.subject}"
        self._console.print(f"pushed {planned.letter} to {planned.project}: {planned.subject}")

    def _watch(self, title: str, done: Callable[[], bool]) -> None:
        """Show the queue until `done`; NotInTime if that takes too long."""
        self._console.rule(title)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with Live(console=self._console, refresh_per_second=8, transient=False) as live:
            while not done():
                nodes = self._nodes.rows() if self._nodes is not None else ()
                live.update(draw(self._status(), self._names, nodes))
                if time.monotonic() > deadline:
                    raise NotInTime(f"{title}: not done\n{self._suite.logs()}")
                time.sleep(0.2)
        if not self._console.is_terminal:
            # Into a file rich writes one picture, and leaves its line open.
            self._console.print()

    def _status(self) -> Mapping[str, Any]:
        """Nothing, before the gate tells."""
        try:
            return self._suite.status()
        except requests.RequestException:
            return {}

    def _both_masters_build(self) -> bool:
        """Or all is done already, on a fast machine. With nodes that are marked as used up: what
        is interrupted on one that is not could be built there again."""
        if self._nodes is None:
            return self._masters.all_busy() or self._all_decided()
        busy = [
            [row for row in self._masters.computers(name).values() if not row["idle"]]
            for name in self._masters.names
        ]
        used_up = all(rows and all(row["temporarilyOffline"] for row in rows) for rows in busy)
        return used_up or self._all_decided()

    def _await_end_of_nodes(self) -> None:
        """Until those that were used are gone."""
        nodes = self._nodes
        if nodes is not None:
            used = {build["builtOn"] for build in self._builds()}
            self._watch("nodes: those that were used go", lambda: not used & nodes.names())

    def _builds(self) -> list[dict[str, Any]]:
        return [build for name in self._masters.names for build in self._masters.builds(name)]

    def _read_reviews(self) -> dict[str, Review]:
        return {
            letter: read_review(self._endpoint, upload.number)
            for letter, upload in self._uploads.items()
        }

    def _all_have(self, vote: str) -> bool:
        return all(vote in review.votes for review in self._read_reviews().values())

    def _all_decided(self) -> bool:
        return self._suite.is_idle() and all(
            review.status == "MERGED" or "Verified -2 by zuul" in review.votes
            for review in self._read_reviews().values()
        )

    def _judge(self, reviews: Mapping[str, Review]) -> bool:
        """Print who merged and who did not, and whether that is what must happen."""
        table = Table("change", "what", "Gerrit says", "votes")
        passed = True
        for planned in CHANGES:
            review = reviews[planned.letter]
            right = (review.status == "MERGED") == planned.merges
            passed = passed and right
            table.add_row(
                planned.letter,
                planned.subject,
                f"[{'green' if right else 'red'}]{review.status}[/]",
                "\n".join(review.votes),
            )
        self._console.print(table)
        for letter, review in reviews.items():
            if review.status != "MERGED":
                why = explain_rejection(review, (USER, TOKEN))
                self._console.print(f"Why {letter} was rejected:\n{indent(why, '  ')}", **_PLAIN)
        return passed

    def _judge_nodes(self) -> bool:
        """Whether each build had a node of its own, and no node is left that had one."""
        nodes = self._nodes
        if nodes is None:
            return True
        built_on = [build["builtOn"] for build in self._builds()]
        used = set(built_on)
        left = used & nodes.names()
        waiting = sum(row["state"] == "ready" for row in nodes.rows())
        self._console.print(
            f"{len(built_on)} builds on {len(used)} nodes, each its own; {len(used - left)} of them"
            f" are deleted, {waiting} others wait for the next builds."
        )
        return bool(used) and "" not in used and len(used) == len(built_on) and not left

    def _stay(self) -> None:
        guest = welcome(self._folder, self._endpoint, APP)
        pages = [f"  master {name}: {url}/" for name, url in self._masters.urls().items()]
        pages += [f"  nodepool: {self._nodes.url}/"] if self._nodes is not None else []
        told = [f"To look at (the masters take {USER} and {PASSWORD}):", "", *pages]
        words = guest.instructions(self._suite.url, "app_main.py")
        self._console.print("\n".join(["", *told, "", words]), **_PLAIN)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            self._console.print("Stopping ...")


def _jobs() -> dict[str, list[str]]:
    """What the masters run, in a workspace that has both projects side by side."""
    slow = f"import time; time.sleep({BUILD_SECONDS}); import runpy, sys; "
    library, app = LIBRARY, APP

    def check(*folders: str) -> list[str]:
        code = f"{slow}sys.argv = ['check', {', '.join(map(repr, folders))}]; "
        return [sys.executable, "-c", code + f"runpy.run_path({folders[0] + '/check.py'!r})"]

    return {"library-unit": check(library), "integration": check(app, library)}


if __name__ == "__main__":
    sys.exit(main())
