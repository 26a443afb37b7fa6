"""providers and diskimages of nodepool.yaml."""

from __future__ import annotations

from types import MappingProxyType

from yaml.nodes import MappingNode

from nodepool import naming
from nodepool.config.reading import (
    named,
    pairs,
    require_integer,
    script,
    template,
    word,
    words,
)
from nodepool.config.values import (
    TEMPLATE_HOSTNAME,
    CloudConfig,
    DiskImage,
    Network,
    ProviderConfig,
    ProviderImage,
)
from zuul.lib.secret import Secret
from zuul.lib.yaml_fields import Fields

IMAGE_TYPES = {"qcow2": "qcow2", "vhd": "vhd", "raw": "raw"}
#: what a cloud takes as an image's properties
MAX_META, MAX_META_LENGTH = 5, 255


def read_provider(fields: Fields, name: str) -> ProviderConfig:
    images, _ = named(fields, "images", read_image)
    if "images" not in fields:
        fields.missing("images")
    return ProviderConfig(
        name=name,
        cloud=_cloud(fields),
        max_servers=require_integer(fields, "max-servers", least=-1),
        boot_timeout=fields.number("boot-timeout", 60.0, least=1),
        launch_timeout=fields.number("launch-timeout", 3600.0, least=1),
        networks=_networks(fields),
        ipv6_preferred=fields.flag("ipv6-preferred", False),
        clean_floating_ips=fields.flag("clean-floating-ips", False),
        pool=word(fields, "pool", None),
        availability_zones=words(fields, "availability-zones"),
        keypair=word(fields, "keypair", None),
        template_hostname=template(
            fields, "template-hostname", TEMPLATE_HOSTNAME, naming.IMAGE_FIELDS
        ),
        image_type=fields.choice("image-type", IMAGE_TYPES, None),
        nodepool_id=word(fields, "nodepool-id", None),
        images=MappingProxyType(images),
    )


def _cloud(fields: Fields) -> CloudConfig:
    password = word(fields, "password", None)
    return CloudConfig(
        cloud=word(fields, "cloud", None),
        auth_url=word(fields, "auth-url", None),
        username=word(fields, "username", None),
        password=Secret(password) if password else None,
        project_id=word(fields, "project-id", None),
        project_name=word(fields, "project-name", None),
        region_name=word(fields, "region-name", None),
        service_type=word(fields, "service-type", None),
        service_name=word(fields, "service-name", None),
        rate=fields.number("rate", 1.0),
        api_timeout=fields.number("api-timeout", 60.0, least=0.1),
    )


def _networks(fields: Fields) -> tuple[Network, ...]:
    found = []
    for each in fields.maps("networks"):
        network = Network(
            net_id=word(each, "net-id", None),
            net_label=word(each, "net-label", None),
            name=word(each, "name", None),
            public=each.flag("public", False),
        )
        each.pass_over_rest()
        if sum(part is not None for part in (network.net_id, network.net_label, network.name)) != 1:
            each.document.complain(each.node, "expected one of net-id, net-label and name")
        if network.net_id and network.public:
            text = "has no effect with net-id: servers tell their networks by name"
            each.document.warn(each.node, text, "public")
        found.append(network)
    return tuple(found)


def read_image(fields: Fields, name: str) -> ProviderImage:
    fields.take("reset")  # of the first era, and never used by it either
    return ProviderImage(
        name=name,
        min_ram=require_integer(fields, "min-ram", least=0),
        base_image=word(fields, "base-image", None),
        name_filter=word(fields, "name-filter", None),
        setup=script(fields, "setup"),
        diskimage=word(fields, "diskimage", None),
        username=word(fields, "username", "jenkins"),
        user_home=word(fields, "user-home", "/home/jenkins"),
        private_key=word(fields, "private-key", "/var/lib/jenkins/.ssh/id_rsa"),
        config_drive=fields.flag("config-drive", None),
        meta=_meta(fields),
        key_name=word(fields, "key-name", None),
        pause=fields.flag("pause", False),
    )


def _meta(fields: Fields) -> tuple[tuple[str, str], ...]:
    meta = pairs(fields, "meta")
    if len(meta) <= MAX_META and all(
        len(part) <= MAX_META_LENGTH for pair in meta for part in pair
    ):
        return meta
    text = f"is left out: at most {MAX_META} entries of {MAX_META_LENGTH} characters are taken"
    fields.document.warn(fields.node, text, "meta")
    return ()


def read_diskimage(fields: Fields, name: str) -> DiskImage:
    node = fields.take("env-vars")
    env_vars: tuple[tuple[str, str], ...] = ()
    if isinstance(node, MappingNode):
        env_vars = pairs(fields, "env-vars")
    elif node is not None:
        fields.document.warn(node, "is no map and is passed over")
    return DiskImage(
        name=name,
        elements=words(fields, "elements"),
        release=word(fields, "release", ""),
        env_vars=env_vars,
        formats=words(fields, "formats"),
        rebuild_age=fields.integer("rebuild-age", 86400, least=1),
        pause=fields.flag("pause", False),
    )
