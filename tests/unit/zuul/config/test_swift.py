"""The section [swift] of zuul.conf."""

from pathlib import Path

from tests.unit.zuul.config.texts import SMALLEST, parse, warnings
from zuul.config import SwiftConfig
from zuul.lib.secret import Secret


def test_defaults() -> None:
    swift = parse(SMALLEST + "[swift]\nauthurl=http://k/v2.0\n").swift
    assert swift == SwiftConfig(authurl="http://k/v2.0")
    assert swift.needs_login


def test_all_of_it() -> None:
    text = """[swift]
        X-Account-Meta-Temp-Url-Key=temp
        Send-Temp-Url-Key=false
        X-Storage-Url=https://s/v1/AUTH_a/
        authurl=http://k/v3
        user=zuul
        key=secret
        auth_version=3
        tenant_name=ci
        tenant_id=17
        region_name=one
        service_type=storage
        endpoint_type=internalURL
        user_domain_name=Users
        project_domain_name=Projects
        cacert=/ca.pem
        starting_backoff=2
        max_backoff=8
        default_container=logs
        default_expiry=60
        default_max_file_size=5
        default_max_file_count=6
        default_file_path_prefix=ci
        default_logserver_prefix=http://logs/
    """.replace("    ", "")
    assert warnings(SMALLEST + text) == []
    swift = parse(SMALLEST + text).swift
    assert swift is not None
    assert swift == SwiftConfig(
        temp_url_key=Secret("temp"),
        send_temp_url_key=False,
        storage_url="https://s/v1/AUTH_a",
        authurl="http://k/v3",
        user="zuul",
        key=Secret("secret"),
        auth_version="3",
        tenant_name="ci",
        tenant_id="17",
        region_name="one",
        service_type="storage",
        endpoint_type="internalURL",
        user_domain_name="Users",
        project_domain_name="Projects",
        cacert=Path("/ca.pem"),
        starting_backoff=2,
        max_backoff=8,
        default_container="logs",
        default_expiry=60,
        default_max_file_size=5,
        default_max_file_count=6,
        default_file_path_prefix="ci",
        default_logserver_prefix="http://logs/",
    )
    assert not swift.needs_login
    assert swift.verify == "/ca.pem"


def test_what_keystone_calls_otherwise() -> None:
    text = "[swift]\nauth_token=t\nobject_storage_url=http://s/v1/a\ninsecure=true\n"
    swift = parse(SMALLEST + text).swift
    assert swift is not None
    assert swift.preauthtoken == Secret("t")
    assert swift.preauthurl == "http://s/v1/a"
    assert swift.verify is False


def test_nobody_can_log_in() -> None:
    (warning,) = warnings(SMALLEST + "[swift]\nuser=zuul\n")
    assert "swift.authurl" in warning
    assert "is missing: nobody can log in" in warning


def test_options_without_effect() -> None:
    (warning,) = warnings(SMALLEST + "[swift]\nauthurl=http://k\nretries=5\n")
    assert "swift.retries" in warning
