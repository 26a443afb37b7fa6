"""nodepool.yaml: Gearman servers and event histories."""

from __future__ import annotations

from pathlib import Path

from nodepool.config import parse_config
from tests.unit.nodepool.config.texts import GOOD, problems
from zuul.lib.tls import TlsFiles


def test_certificates_for_gearman() -> None:
    tls = "    ssl-ca: /tls/ca.pem\n    ssl-cert: /tls/np.pem\n    ssl-key: /tls/np.key\n"
    text = GOOD.replace("  - host: zuul.example.org\n", f"  - host: zuul.example.org\n{tls}")
    (server,) = parse_config(text, "f").gearman_servers
    assert server.tls == TlsFiles(Path("/tls/ca.pem"), Path("/tls/np.pem"), Path("/tls/np.key"))
    assert server.check_hostname
    assert problems(text.replace("    ssl-key: /tls/np.key\n", "")) == [
        "4:gearman-servers[0].ssl-key: is required"
    ]
    (server,) = parse_config(
        text.replace("    ssl-ca", "    ssl-check-hostname: false\n    ssl-ca"), "f"
    ).gearman_servers
    assert not server.check_hostname


def test_histories_are_addresses_of_the_web() -> None:
    given = ["http://bridge:8889", "https://[::1]/events/", "http://bridge:8889/"]
    assert parse_config(f"event-histories: {given}", "f").event_histories == (
        "http://bridge:8889",
        "https://[::1]/events",
    )
    assert parse_config("event-histories:", "f").event_histories == ()
