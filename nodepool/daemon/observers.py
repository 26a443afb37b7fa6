"""Who watches the core: the log here, statsd in node_stats.py."""

from __future__ import annotations

import logging
from typing import Final

from nodepool.core.events import Step
from nodepool.core.pauses import Place
from nodepool.core.ports import Observer
from nodepool.model import Node, NodeState, SnapshotImage
from zuul.lib.watching import fan_out, hooks_of, say

#: the names under which operators know them (contract nodepool.md 18)
POOL: Final = logging.getLogger("nodepool.NodePool")
LAUNCHER: Final = logging.getLogger("nodepool.NodeLauncher")
SUBNODES: Final = logging.getLogger("nodepool.SubNodeLauncher")
DELETER: Final = logging.getLogger("nodepool.NodeDeleter")
LISTENER: Final = logging.getLogger("nodepool.NodeUpdateListener")
COMPLETE: Final = logging.getLogger("nodepool.NodeCompleteThread")
IMAGES: Final = logging.getLogger("nodepool.ImageUpdater")
LEAKS: Final = logging.getLogger("nodepool.InstanceDeleter")
PROVIDERS: Final = logging.getLogger("nodepool.ProviderManager")


class SilentObserver:
    """Sees everything, does nothing: the base of those who care for some of it."""

    def node_changed(self, node: Node, before: NodeState | None) -> None:
        pass

    def launch_step(self, node: Node, step: Step) -> None:
        pass

    def launch_ended(self, node: Node, stat_key: str, seconds: float, text: str) -> None:
        pass

    def subnode_launched(self, node: Node, index: int, stat_key: str, seconds: float) -> None:
        pass

    def node_removed(self, node: Node, seconds: float) -> None:
        pass

    def job_ended(self, node: Node, job: str, branch: str | None, seconds: float) -> None:
        pass

    def node_held(self, node: Node, job: str) -> None:
        pass

    def hold_ended(self, node: Node, seconds: float) -> None:
        pass

    def event_passed_over(self, nodename: str, job: str, reason: str) -> None:
        pass

    def event_made_up(self, node: Node, reason: str) -> None:
        pass

    def image_changed(self, image: SnapshotImage, before: NodeState | None) -> None:
        pass

    def image_ended(self, image: SnapshotImage, seconds: float, problem: str) -> None:
        pass

    def image_forgotten(self, image: SnapshotImage) -> None:
        pass

    def server_leaked(self, provider: str, server_id: str, name: str) -> None:
        pass

    def provider_refused(self, provider: str, text: str, pause: float) -> None:
        pass

    def launches_paused(self, place: Place, text: str, pause: float) -> None:
        pass

    def launches_resumed(self, place: Place) -> None:
        pass


HOOKS = hooks_of(SilentObserver)


class Observers(SilentObserver):
    """Several observers as one; each is told in the order given."""

    def __init__(self, *observers: Observer) -> None:
        vars(self).update(fan_out(SilentObserver, observers))


class LogObserver:
    """A line for every state change; `action` on the record is the hook's name."""

    def node_changed(self, node: Node, before: NodeState | None) -> None:
        say(
            POOL,
            logging.INFO,
            "node_changed",
            f"Node is {node.state.word}",
            **_about(node),
            before=before.word if before else None,
            job=node.job,
            comment=node.comment,
        )

    def launch_step(self, node: Node, step: Step) -> None:
        say(
            LAUNCHER,
            logging.DEBUG,
            "launch_step",
            "Launch goes on",
            **_about(node),
            step=step.value,
        )

    def launch_ended(self, node: Node, stat_key: str, seconds: float, text: str) -> None:
        failed = stat_key != "ready"
        say(
            LAUNCHER,
            logging.WARNING if failed else logging.INFO,
            "launch_ended",
            "Launch failed" if failed else "Node launched",
            **_about(node),
            result=stat_key,
            seconds=round(seconds, 1),
            reason=text or None,
        )

    def subnode_launched(self, node: Node, index: int, stat_key: str, seconds: float) -> None:
        about = _about(node) | {"server": node.machines[index].server_id, "subnode": index}
        sentence = "Subnode launched" if stat_key == "ready" else "Launch of a subnode failed"
        about |= {"result": stat_key, "seconds": round(seconds, 1)}
        say(SUBNODES, logging.INFO, "subnode_launched", sentence, **about)

    def node_removed(self, node: Node, seconds: float) -> None:
        seconds = round(seconds, 1)
        say(DELETER, logging.INFO, "node_removed", "Node is gone", **_about(node), seconds=seconds)

    def job_ended(self, node: Node, job: str, branch: str | None, seconds: float) -> None:
        about = {**_about(node), "job": job, "branch": branch, "seconds": round(seconds, 1)}
        say(COMPLETE, logging.INFO, "job_ended", "Build succeeded", **about)

    def node_held(self, node: Node, job: str) -> None:
        say(COMPLETE, logging.INFO, "node_held", "Node is held", **_about(node), job=job)

    def hold_ended(self, node: Node, seconds: float) -> None:
        about = {**_about(node), "seconds": round(seconds), "comment": node.comment}
        say(POOL, logging.INFO, "hold_ended", "Node was held for long enough", **about)

    def event_passed_over(self, nodename: str, job: str, reason: str) -> None:
        about = {"nodename": nodename, "job": job, "reason": reason}
        say(LISTENER, logging.DEBUG, "event_passed_over", "Build event passed over", **about)

    def event_made_up(self, node: Node, reason: str) -> None:
        say(
            LISTENER,
            logging.WARNING,
            "event_made_up",
            "Build event was lost, its target told",
            **_about(node),
            reason=reason,
        )

    def image_changed(self, image: SnapshotImage, before: NodeState | None) -> None:
        sentence = f"Image is {image.state.word}"
        was = before.word if before else None
        say(IMAGES, logging.INFO, "image_changed", sentence, **_about_image(image), before=was)

    def image_ended(self, image: SnapshotImage, seconds: float, problem: str) -> None:
        say(
            IMAGES,
            logging.WARNING if problem else logging.INFO,
            "image_ended",
            "Image failed" if problem else "Image built",
            **_about_image(image),
            seconds=round(seconds, 1),
            reason=problem or None,
        )

    def image_forgotten(self, image: SnapshotImage) -> None:
        about = _about_image(image)
        about |= {"server": image.machine.server_id, "keypair": image.keypair}
        sentence = "Image forgotten by request, what is left of it may stay"
        say(IMAGES, logging.WARNING, "image_forgotten", sentence, **about)

    def server_leaked(self, provider: str, server_id: str, name: str) -> None:
        about = {"provider": provider, "server": server_id, "hostname": name}
        say(LEAKS, logging.WARNING, "server_leaked", "Server has no row, it is deleted", **about)

    def provider_refused(self, provider: str, text: str, pause: float) -> None:
        about = {"provider": provider, "pause": round(pause, 1), "reason": text or None}
        say(PROVIDERS, logging.WARNING, "provider_refused", "No creates for a while", **about)

    def launches_paused(self, place: Place, text: str, pause: float) -> None:
        about = {**_where(place), "pause": round(pause, 1), "reason": text}
        say(LAUNCHER, logging.WARNING, "launches_paused", "No launches for a while", **about)

    def launches_resumed(self, place: Place) -> None:
        say(LAUNCHER, logging.INFO, "launches_resumed", "Launches go on", **_where(place))


def _where(place: Place) -> dict[str, object]:
    return {"label": place.label, "provider": place.provider, "target": place.target}


def _about(node: Node) -> dict[str, object]:
    return {
        "node": node.id,
        "nodename": node.nodename,
        "provider": node.provider,
        "label": node.label,
        "target": node.target,
        "server": node.machines[0].server_id,
    }


def _about_image(image: SnapshotImage) -> dict[str, object]:
    return {
        "image": image.id,
        "name": image.image,
        "provider": image.provider,
        "hostname": image.hostname,
        "external_id": image.external_id,
    }
