"""zuul.conf: its values (values.py), how they are read (parser.py, connections.py)."""

from zuul.config.connections import same_server
from zuul.config.gearman import gearman_context
from zuul.config.parser import parse_config, read_config
from zuul.config.swift import SwiftConfig
from zuul.config.values import (
    ConnectionConfig,
    GearmanConfig,
    GearmanServerConfig,
    GerritConnectionConfig,
    MergerConfig,
    Program,
    ServerConfig,
    SmtpConnectionConfig,
    SqlConnectionConfig,
    WebappConfig,
    ZuulConfig,
)

__all__ = [
    "ConnectionConfig",
    "GearmanConfig",
    "GearmanServerConfig",
    "GerritConnectionConfig",
    "MergerConfig",
    "Program",
    "ServerConfig",
    "SmtpConnectionConfig",
    "SqlConnectionConfig",
    "SwiftConfig",
    "WebappConfig",
    "ZuulConfig",
    "gearman_context",
    "parse_config",
    "read_config",
    "same_server",
]
