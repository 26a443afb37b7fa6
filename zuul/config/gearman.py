"""What [gearman] needs of the disk: the papers that a client shows to the Gearman server."""

from __future__ import annotations

import ssl

from zuul.config.values import GearmanConfig
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.tls import TlsError, client_context


def gearman_context(config: GearmanConfig) -> ssl.SSLContext | None:
    """What every client of ours connects to the Gearman server with; None: no TLS.

    Raises ConfigError for files that cannot be used.
    """
    if config.tls is None:
        return None
    try:
        return client_context(config.tls, check_hostname=config.check_hostname)
    except TlsError as error:
        raise ConfigError([Problem("[gearman]", 0, "", str(error))]) from error
