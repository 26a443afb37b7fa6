"""nodepool.yaml and secure.conf: their values (values.py), how they are read (parser.py)."""

from nodepool.config.clouds import CloudFiles
from nodepool.config.parser import (
    Checked,
    Text,
    check_config,
    check_text,
    parse_config,
    read_config,
)
from nodepool.config.values import (
    CloudConfig,
    CronConfig,
    DiskImage,
    JenkinsConfig,
    LabelConfig,
    Network,
    NodepoolConfig,
    ProviderConfig,
    ProviderImage,
    ServerAddress,
    TargetConfig,
)

__all__ = [
    "Checked",
    "CloudConfig",
    "CloudFiles",
    "CronConfig",
    "DiskImage",
    "JenkinsConfig",
    "LabelConfig",
    "Network",
    "NodepoolConfig",
    "ProviderConfig",
    "ProviderImage",
    "ServerAddress",
    "TargetConfig",
    "Text",
    "check_config",
    "check_text",
    "parse_config",
    "read_config",
]
