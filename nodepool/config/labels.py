"""labels and targets of nodepool.yaml, and how files from before there were labels are read."""

from __future__ import annotations

from yaml.nodes import Node

from nodepool import naming
from nodepool.config.reading import (
    is_nothing,
    maps,
    require_integer,
    require_name,
    script,
    template,
    word,
)
from nodepool.config.values import (
    HOSTNAME,
    SUBNODE_HOSTNAME,
    JenkinsConfig,
    LabelConfig,
    TargetConfig,
)
from zuul.lib.secret import Secret
from zuul.lib.yaml_fields import Fields

#: machines of one node
MAX_SUBNODES = 1000


def read_label(fields: Fields, name: str) -> LabelConfig:
    if "providers" not in fields:
        fields.missing("providers")
    if ":" in name:
        fields.document.complain(fields.node, "holds a colon, as in build:JOB:LABEL", "name")
    if "image" not in fields:
        fields.missing("image")
    return LabelConfig(
        name=name,
        image=word(fields, "image", ""),
        min_ready=fields.integer("min-ready", 2, least=-1),
        subnodes=fields.integer("subnodes", 0, most=MAX_SUBNODES),
        ready_script=script(fields, "ready-script"),
        providers=_names(fields, "providers"),
    )


def _names(parent: Fields, key: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for fields in maps(parent, key):
        name = require_name(fields)
        fields.pass_over_rest()
        if name in found:
            fields.document.warn(fields.node, f"{name!r} is named before")
        elif name:
            found[name] = None
    return tuple(found)


def read_target(fields: Fields, name: str) -> TargetConfig:
    jenkins, test_job = _jenkins(fields)
    return TargetConfig(
        name=name,
        rate=fields.number("rate", 1.0),
        hostname=template(fields, "hostname", HOSTNAME, naming.NODE_FIELDS),
        subnode_hostname=template(
            fields, "subnode-hostname", SUBNODE_HOSTNAME, naming.SUBNODE_FIELDS
        ),
        jenkins=jenkins,
        test_job=test_job,
        assign_via_gearman=fields.flag("assign-via-gearman", False),
        delete_delay=fields.number("delete-delay", 60.0),
    )


def _jenkins(parent: Fields) -> tuple[JenkinsConfig | None, str | None]:
    """What stands of the login; files of later eras have it in secure.conf."""
    node = parent.take("jenkins")
    if node is None or is_nothing(node):
        return None, None
    fields = Fields(parent.document, node)
    url, user = word(fields, "url", ""), word(fields, "user", "")
    apikey = word(fields, "apikey", "")
    credentials, test_job = word(fields, "credentials-id", None), word(fields, "test-job", None)
    fields.pass_over_rest()
    given = {"url": url, "user": user, "apikey": apikey}
    if not any(given.values()):
        if credentials:
            text = "has no effect without url, user and apikey: it is credentials in secure.conf"
            parent.document.warn(node, text, "credentials-id")
        return None, test_job
    for key, value in given.items():
        if not value:
            fields.missing(key)
    if url and not url.startswith(("http://", "https://")):
        fields.document.complain(node, "expected an http:// or https:// URL", "url")
    return JenkinsConfig(url.rstrip("/"), user, Secret(apikey), credentials), test_job


def labels_of_targets(targets: list[Fields]) -> tuple[dict[str, LabelConfig], dict[str, Node]]:
    """Files of 2013 have no labels: each target names images, each image its providers.

    An image is then the label of its name. The idle nodes that a file asks for by target and
    provider are summed up; where they stand is the allocator's business.
    """
    labels: dict[str, LabelConfig] = {}
    nodes: dict[str, Node] = {}
    for target in targets:
        target_name = word(target, "name", "")
        for image in maps(target, "images"):
            name = require_name(image)
            nodes.setdefault(name, image.node)
            providers: dict[str, int] = {}
            for provider in maps(image, "providers"):
                each = require_name(provider)
                providers[each] = require_integer(provider, "min-ready", least=-1)
                provider.pass_over_rest()
            image.pass_over_rest()
            before = labels.get(name)
            labels[name] = LabelConfig(
                name=name,
                image=name,
                min_ready=_added(before, tuple(providers.values())),
                providers=_union(before.providers if before else (), tuple(providers)),
                targets=_union((before.targets or ()) if before else (), (target_name,)),
            )
    labels.pop("", None)
    return labels, nodes


def _added(before: LabelConfig | None, counts: tuple[int, ...]) -> int:
    """The sum of what is asked for; -1 only if nobody asks."""
    wanted = [count for count in counts if count >= 0]
    if before is not None and before.in_use:
        wanted.append(before.min_ready)
    return sum(wanted) if wanted else -1


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *filter(None, second))))
