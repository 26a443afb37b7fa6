"""What one part of nodepool.yaml says of another: label -> image -> provider -> diskimage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from yaml.nodes import Node

from nodepool import naming
from nodepool.config.clouds import Clouds
from nodepool.config.values import (
    DiskImage,
    LabelConfig,
    NodepoolConfig,
    ProviderConfig,
    TargetConfig,
)
from zuul.lib.yaml_document import Document


@dataclass(slots=True)
class Parts:
    """Those that name each other, and where each stands in the file."""

    labels: dict[str, LabelConfig]
    providers: dict[str, ProviderConfig]
    targets: dict[str, TargetConfig]
    diskimages: dict[str, DiskImage]
    label_nodes: Mapping[str, Node]
    provider_nodes: Mapping[str, Node]


def name_diskimages(parts: Parts) -> None:
    """Files of the last era leave `diskimage` out: an image is the diskimage of its name."""
    for name, provider in parts.providers.items():
        images = {
            image.name: replace(image, diskimage=image.name)
            if not image.base_image and not image.diskimage and image.name in parts.diskimages
            else image
            for image in provider.images.values()
        }
        parts.providers[name] = replace(provider, images=MappingProxyType(images))


def complete_clouds(document: Document, parts: Parts, clouds: Clouds) -> None:
    """Providers that name an entry of clouds.yaml get what it says."""
    for problem in clouds.problems:
        document.add(problem)
    for name, provider in parts.providers.items():
        if provider.cloud.cloud is None:
            continue
        try:
            cloud = clouds.complete(provider.cloud)
        except LookupError as error:
            if not clouds.problems:
                document.complain(parts.provider_nodes[name], str(error.args[0]), "cloud")
            continue
        parts.providers[name] = replace(provider, cloud=cloud)


def check_links(document: Document, parts: Parts) -> None:
    """Complains of what is named and not there."""
    for name, label in parts.labels.items():
        node = parts.label_nodes[name]
        for provider_name in label.providers:
            provider = parts.providers.get(provider_name)
            if provider is None:
                text = f"label {name} requests non-existent provider {provider_name}"
                document.complain(node, text, "providers")
            elif label.image and label.image not in provider.images:
                text = f"label {name} requests image {label.image}, unknown to {provider_name}"
                document.complain(node, text, "image")
    for name, provider in parts.providers.items():
        node = parts.provider_nodes[name]
        for image in provider.images.values():
            if image.diskimage and image.diskimage not in parts.diskimages:
                text = f"image {image.name} is made of the unknown diskimage {image.diskimage}"
                document.complain(node, text, "images")
            elif not image.diskimage and not image.base_image:
                text = f"image {image.name} has no base-image and no diskimage: nothing makes it"
                document.warn(node, text, "images")
    _warn_of_disk_images(document, parts)
    _warn_of_the_unused(document, parts)


def warn_of_what_lacks(document: Document, config: NodepoolConfig) -> None:
    """Of the whole file, without which some of its parts fail again and again."""
    images = [each for provider in config.providers.values() for each in provider.images.values()]
    if config.script_dir is None and (with_setup := [each for each in images if each.setup]):
        text = f"is missing: image {with_setup[0].name} has a setup script, and cannot be built"
        document.warn(document.root, text, "script-dir")
    offering = [each.name for each in config.targets.values() if each.assign_via_gearman]
    if offering and not config.gearman_servers:
        text = f"is missing: nodes of {offering[0]} are offered there, and nobody will take one"
        document.warn(document.root, text, "gearman-servers")


def _warn_of_disk_images(document: Document, parts: Parts) -> None:
    """Once: a site that has one has a hundred."""
    names = dict.fromkeys(
        image.name
        for provider in parts.providers.values()
        for image in provider.images.values()
        if image.diskimage and not image.base_image
    )
    if names:
        text = f"disk images are not built here, and no nodes of them are made: {', '.join(names)}"
        document.warn(document.root, text, "diskimages")


def _warn_of_the_unused(document: Document, parts: Parts) -> None:
    if parts.labels and not parts.targets:
        document.warn(document.root, "there are labels but no targets: nothing is launched")
    for name, label in parts.labels.items():
        room = [parts.providers[p].max_servers for p in label.providers if p in parts.providers]
        if room and 0 < max(room) < label.machines:
            text = f"a node of {name} takes {label.machines} machines; no provider may have as many"
            document.warn(parts.label_nodes[name], text, "subnodes")
    _warn_of_equal_names(document, parts)


def _warn_of_equal_names(document: Document, parts: Parts) -> None:
    """A node's name ends at the first dot, and may come of a template without its number."""
    for target in parts.targets.values():
        for name, label in parts.labels.items():
            for provider in label.providers:
                words: dict[str, str | int] = {"label": name, "provider": provider, "timestamp": 1}
                first, second = (
                    naming.node_name(naming.host_name(target.hostname, node_id=number, **words))
                    for number in (1, 2)
                )
                if first == second:
                    text = (
                        f"two nodes of {name} in {provider} may be called {first}, in {target.name}"
                    )
                    text += ": no number before a dot"
                    document.warn(parts.label_nodes[name], text, "name")
