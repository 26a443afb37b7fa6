"""nodepool.yaml and secure.conf as frozen values. Defaults stand on the fields.

They are compared by `==`: what differs after a reload is started anew, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from zuul.lib.problems import Problem
from zuul.lib.secret import Secret, secrets_in_url
from zuul.lib.tls import TlsFiles

GEARMAN_PORT = 4730
ZOOKEEPER_PORT = 2181

#: templates of names: fields in braces are replaced (nodepool/naming.py)
HOSTNAME = "{label.name}-{provider.name}-{node_id}"
SUBNODE_HOSTNAME = "{label.name}-{provider.name}-{node_id}-{subnode_id}"
TEMPLATE_HOSTNAME = "template-{image.name}-{timestamp}"


@dataclass(frozen=True, slots=True)
class CronConfig:
    """When the periodic jobs run: `minute hour day month weekday [second]`."""

    image_update: str = "14 2 * * *"
    cleanup: str = "* * * * *"
    check: str = "*/15 * * * *"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A Gearman or ZooKeeper server."""

    host: str
    port: int
    #: ZooKeeper's folder; read, and of no use to us
    chroot: str = ""
    #: Gearman's; None: a connection that is not encrypted
    tls: TlsFiles | None = None
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """One of a provider's networks, by exactly one of its three names."""

    net_id: str | None = None
    net_label: str | None = None
    name: str | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """How to talk to a provider's cloud; a change of it, and only that, asks for a new client."""

    #: an entry of clouds.yaml
    cloud: str | None = None
    auth_url: str | None = None
    username: str | None = None
    password: Secret | None = None
    project_id: str | None = None
    project_name: str | None = None
    region_name: str | None = None
    service_type: str | None = None
    service_name: str | None = None
    #: these come from clouds.yaml alone; without a domain it is the one with the id `default`
    user_domain_id: str | None = None
    user_domain_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    #: of clouds.yaml, in place of a password: keystone's credential for programs, by id or by the
    #: user's name for it; it is bound to its project
    application_credential_id: str | None = None
    application_credential_name: str | None = None
    application_credential_secret: Secret | None = None
    #: a file of certificates to trust; None: the system's
    cacert: str | None = None
    #: None: yes
    verify: bool | None = None
    #: least seconds between two calls
    rate: float = 1.0
    #: seconds that a call may take; the contract's default is none, which let one call hang all
    api_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class ProviderImage:
    """How one image is built in one provider, and how machines of it are used."""

    name: str
    #: MiB
    min_ram: int
    base_image: str | None = None
    #: part of the flavor's name
    name_filter: str | None = None
    #: a script in script-dir
    setup: str | None = None
    #: the diskimage it is made of, rather than of a base image
    diskimage: str | None = None
    username: str = "jenkins"
    user_home: str = "/home/jenkins"
    private_key: str = "/var/lib/jenkins/.ssh/id_rsa"
    #: None: the cloud's default
    config_drive: bool | None = None
    #: properties of the image, not of nodes
    meta: tuple[tuple[str, str], ...] = ()
    key_name: str | None = None
    pause: bool = False


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """A cloud, or the part of one that is counted by itself."""

    name: str
    cloud: CloudConfig
    #: nodes and subnodes at most; 0 and below: launch nothing
    max_servers: int
    #: seconds from ACTIVE until SSH answers
    boot_timeout: float = 60.0
    #: seconds from the create call to ACTIVE
    launch_timeout: float = 3600.0
    networks: tuple[Network, ...] = ()
    ipv6_preferred: bool = False
    #: look after floating IPs even without a pool: those of servers that go, and what was left over
    clean_floating_ips: bool = False
    #: floating IPs come from it; None: from the cloud's external network
    pool: str | None = None
    availability_zones: tuple[str, ...] = ()
    keypair: str | None = None
    template_hostname: str = TEMPLATE_HOSTNAME
    #: None: the cloud's own
    image_type: str | None = None
    #: tells our servers from those of another nodepool; None: the database's own id
    nodepool_id: str | None = None
    images: Mapping[str, ProviderImage] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def has_floating_ips(self) -> bool:
        """All servers of ours may have some, also those of which no row tells it."""
        return self.pool is not None or self.clean_floating_ips


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """A kind of node that jobs ask for."""

    name: str
    image: str
    #: nodes kept idle; below 0: the label is off
    min_ready: int = 2
    #: machines besides the first of each node
    subnodes: int = 0
    ready_script: str | None = None
    providers: tuple[str, ...] = ()
    #: None: all (files of 2013 name the images of each target)
    targets: tuple[str, ...] | None = None

    @property
    def in_use(self) -> bool:
        return self.min_ready >= 0

    @property
    def machines(self) -> int:
        """What one node takes of max-servers."""
        return 1 + self.subnodes


@dataclass(frozen=True, slots=True)
class JenkinsConfig:
    """A target's Jenkins."""

    url: str
    user: str
    apikey: Secret
    credentials_id: str | None = None


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """What takes the nodes."""

    name: str
    #: least seconds between two calls
    rate: float = 1.0
    hostname: str = HOSTNAME
    subnode_hostname: str = SUBNODE_HOSTNAME
    #: None: nodes get ready, and somebody else uses them
    jenkins: JenkinsConfig | None = None
    #: a job that must succeed on a node before it gets its label
    test_job: str | None = None
    assign_via_gearman: bool = False
    #: seconds from a build's end to the delete of its node: Jenkins may still copy the console
    delete_delay: float = 60.0


@dataclass(frozen=True, slots=True)
class DiskImage:
    """An image that disk-image-create makes."""

    name: str
    elements: tuple[str, ...] = ()
    release: str = ""
    env_vars: tuple[tuple[str, str], ...] = ()
    formats: tuple[str, ...] = ()
    #: seconds
    rebuild_age: int = 86400
    pause: bool = False


@dataclass(frozen=True, slots=True)
class NodepoolConfig:
    """Both files."""

    source: str
    dburi: Secret
    script_dir: str | None = None
    elements_dir: str | None = None
    images_dir: str | None = None
    cron: CronConfig = CronConfig()
    #: seconds after which a held node is deleted; 0: never
    max_hold_age: float = 0.0
    zmq_publishers: tuple[str, ...] = ()
    #: bridges that keep the last events of each node: http(s)://HOST:PORT, no slash at the end
    event_histories: tuple[str, ...] = ()
    gearman_servers: tuple[ServerAddress, ...] = ()
    zookeeper_servers: tuple[ServerAddress, ...] = ()
    #: each in the file's order, which is the order of allocation
    labels: Mapping[str, LabelConfig] = field(default_factory=lambda: MappingProxyType({}))
    providers: Mapping[str, ProviderConfig] = field(default_factory=lambda: MappingProxyType({}))
    targets: Mapping[str, TargetConfig] = field(default_factory=lambda: MappingProxyType({}))
    diskimages: Mapping[str, DiskImage] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def secrets(self) -> tuple[Secret, ...]:
        """What the log must hide."""
        found = [self.dburi, *secrets_in_url(self.dburi)]
        found += [p.cloud.password for p in self.providers.values() if p.cloud.password]
        found += [t.jenkins.apikey for t in self.targets.values() if t.jenkins]
        return tuple(found)
