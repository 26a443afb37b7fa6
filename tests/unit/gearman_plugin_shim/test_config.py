"""shim.conf: what it may hold, and that all of its mistakes are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gearman_plugin_shim.config import MasterConfig, parse_config, read_config
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret

SAMPLE = Path(__file__).parents[3] / "etc" / "shim.conf-sample"
SMALLEST = "[gearman]\nserver = g.example\n[master m1]\nurl = http://j.example/\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "shim.conf")
    return [str(problem) for problem in caught.value.problems]


def test_the_sample_is_right() -> None:
    config = parse_config(SAMPLE.read_text("utf-8"), "shim.conf-sample")
    assert config.warnings == ()
    assert list(config.masters) == ["jenkins01", "jenkins02"]
    assert config.masters["jenkins01"].user == "zuul"


def test_every_option_of_the_sample_that_is_commented_out_has_its_default() -> None:
    text = SAMPLE.read_text("utf-8")
    said = parse_config(text, "s")
    # Files and addresses are examples; the rest of what is commented out is the default.
    examples = (";ssl", ";http_host", ";dburi", ";log_config", ";ca", "; ")
    lines = text.splitlines()
    spelt = "\n".join(
        line[1:] if line.startswith(";") and not line.startswith(examples) else line
        for line in lines
    )
    assert parse_config(spelt, "s") == said
    assert spelt.count(";") < text.count(";") - 8


def test_defaults() -> None:
    config = parse_config(SMALLEST, "shim.conf", home=Path("/home/z"))
    assert config.gearman.port == 4730
    assert config.publisher.bind == "tcp://*:8888"
    assert config.dburi == Secret("sqlite:////var/lib/gearman-plugin-shim/journal.sqlite")
    assert config.masters == {"m1": MasterConfig(name="m1", url="http://j.example")}
    assert config.warnings == ()


def test_secrets_do_not_show() -> None:
    text = SMALLEST + "user = u\napikey = t0ken\n[shim]\ndburi = postgresql://u:pa55@h/d\n"
    config = parse_config(text, "shim.conf", readable_by_others=True)
    assert "t0ken" not in repr(config)
    assert "pa55" not in repr(config)
    assert {secret.reveal() for secret in config.secrets} == {"t0ken", "pa55"}
    assert "chmod 600" in str(config.warnings[0])


def test_all_problems_at_once() -> None:
    found = problems(
        "[gearman]\nport = 70000\nssl_key = /k\n"
        "[publisher]\nbind = 8888\nkept_events = 0\n"
        "[master a b]\nurl = ftp://x\nuser = u\npoll = fast\n"
        "[master c]\ngrace = 0\nurl = http://u:p@h/\n"
    )
    keys = [line.split(": ", 2)[1] for line in found]
    assert sorted(keys) == sorted(
        [
            "gearman.server",
            "gearman.ssl_ca",
            "gearman.ssl_cert",
            "gearman.port",
            "publisher.bind",
            "publisher.kept_events",
            "master a b.apikey",
            "master a b.name",
            "master a b.url",
            "master a b.poll",
            "master c.grace",
            "master c.url",
        ]
    )


def test_no_master_is_a_problem() -> None:
    assert problems("[gearman]\nserver = g\n") == [
        "shim.conf: has no [master NAME] section: there is no Jenkins to serve"
    ]


def test_unknown_words_are_warnings() -> None:
    config = parse_config(SMALLEST + "colour = red\n[masters]\nx = 1\n", "shim.conf")
    assert [str(warning) for warning in config.warnings] == [
        "shim.conf:5: master m1.colour: is not an option of ours and is passed over",
        "shim.conf:6: [masters] is not a section of ours and is passed over",
    ]


@pytest.mark.parametrize(
    "bind", ["tcp://*:8888", "tcp://127.0.0.1:*", "tcp://[::1]:8888", "ipc:///run/z", "none"]
)
def test_publisher_addresses(bind: str) -> None:
    config = parse_config(SMALLEST + f"[publisher]\nbind = {bind}\n", "shim.conf")
    assert config.publisher.bind == (None if bind == "none" else bind)


def test_read_config_tells_why_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"[gearman]\nserver = \xe9\n")
    with pytest.raises(ConfigError, match=":2: is not UTF-8"):
        read_config(tmp_path / "latin")
