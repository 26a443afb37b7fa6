"""SwiftConfig: the section [swift], where workers may upload what they made (contract 1.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zuul.lib.fields import FieldReader
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret


@dataclass(frozen=True, slots=True)
class SwiftConfig:
    """How to log in, and what an upload may be where a job does not say."""

    #: signs uploads; None: the account's own, or a new one
    temp_url_key: Secret | None = None
    #: tell the account of the key
    send_temp_url_key: bool = True
    #: prefix of every upload; None: as the login tells
    storage_url: str | None = None
    authurl: str | None = None
    user: str | None = None
    key: Secret | None = None
    #: with `preauthtoken` instead of a login; alone: of all that the catalog names
    preauthurl: str | None = None
    preauthtoken: Secret | None = None
    auth_version: str = "2.0"
    tenant_name: str | None = None
    tenant_id: str | None = None
    #: of keystone's third version
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"
    #: what the catalog is asked for
    service_type: str = "object-store"
    endpoint_type: str = "publicURL"
    region_name: str | None = None
    cacert: Path | None = None
    insecure: bool = False
    #: seconds between two tries to log in, at first and at last
    starting_backoff: int = 1
    max_backoff: int = 64
    default_container: str = ""
    #: seconds
    default_expiry: int = 7200
    #: bytes
    default_max_file_size: int = 104857600
    default_max_file_count: int = 10
    default_file_path_prefix: str = ""
    default_logserver_prefix: str | None = None

    @property
    def verify(self) -> bool | str:
        """What the storage's certificate is checked with; False: it is not."""
        return str(self.cacert) if self.cacert else not self.insecure

    @property
    def needs_login(self) -> bool:
        return self.send_temp_url_key or not self.storage_url or not self.temp_url_key


def parse_swift(
    reader: FieldReader, warnings: list[Problem], explain_unknown: Callable[[str], str]
) -> SwiftConfig | None:
    """None: there is no such section."""
    if not reader.present:
        return None
    preauthurl, preauthtoken = reader.url("preauthurl", ""), reader.find_secret("preauthtoken")
    config = SwiftConfig(
        temp_url_key=reader.find_secret("X-Account-Meta-Temp-Url-Key"),
        send_temp_url_key=reader.boolean("Send-Temp-Url-Key", True),
        storage_url=reader.url("X-Storage-Url", "") or None,
        authurl=reader.url("authurl", "") or None,
        user=reader.find_text("user"),
        key=reader.find_secret("key"),
        preauthurl=preauthurl or reader.url("object_storage_url", "") or None,
        preauthtoken=preauthtoken or reader.find_secret("auth_token"),
        auth_version=reader.text("auth_version", "2.0"),
        tenant_name=reader.find_text("tenant_name"),
        tenant_id=reader.find_text("tenant_id"),
        user_domain_name=reader.text("user_domain_name", "Default"),
        project_domain_name=reader.text("project_domain_name", "Default"),
        service_type=reader.text("service_type", "object-store"),
        endpoint_type=reader.text("endpoint_type", "publicURL"),
        region_name=reader.find_text("region_name"),
        cacert=reader.find_path("cacert"),
        insecure=reader.boolean("insecure", False),
        starting_backoff=reader.integer("starting_backoff", 1, least=1, unit="seconds"),
        max_backoff=reader.integer("max_backoff", 64, least=1, unit="seconds"),
        default_container=reader.text("default_container", ""),
        default_expiry=reader.integer("default_expiry", 7200, least=1, unit="seconds"),
        default_max_file_size=reader.integer(
            "default_max_file_size", 104857600, most=2**63 - 1, unit="bytes"
        ),
        default_max_file_count=reader.integer("default_max_file_count", 10),
        default_file_path_prefix=reader.text("default_file_path_prefix", ""),
        default_logserver_prefix=reader.find_text("default_logserver_prefix"),
    )
    for name in ("retries", "snet", "ssl_compression"):
        if reader.find_text(name) is not None:
            warnings.append(reader.problem(name, "has no effect any more"))
    logged_in = config.preauthurl and config.preauthtoken
    if config.needs_login and not (config.authurl or logged_in):
        text = "is missing: nobody can log in, and jobs get no SWIFT_ parameters"
        warnings.append(reader.problem("authurl", text))
    warnings += reader.unknown(explain_unknown)
    return config


def secrets_of(config: SwiftConfig) -> list[Secret]:
    found = (config.temp_url_key, config.key, config.preauthtoken)
    return [each for each in found if each is not None]
