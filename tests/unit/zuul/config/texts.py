"""Texts of a zuul.conf, and what is said of them."""

from pathlib import Path

import pytest

from zuul.config import Program, ZuulConfig, parse_config
from zuul.lib.problems import ConfigError

HOME = Path("/home/zuul")
SMALLEST = "[gearman]\nserver=127.0.0.1\n[zuul]\nlayout_config=/etc/zuul/layout.yaml\n"
GERRIT = "[connection g]\ndriver=gerrit\nserver=g\nuser=z\n"
WITH_SECRETS = (
    SMALLEST
    + GERRIT
    + "password=geheim1\n"
    + "[connection db]\ndriver=sql\ndburi=mysql://u:geheim2@h/d\n"
    + "[swift]\nkey=geheim3\nX-Account-Meta-Temp-Url-Key=geheim4\nuser=swifty\nauthurl=http://k\n"
)


def parse(text: str, program: Program = Program.SERVER, **keywords: bool) -> ZuulConfig:
    return parse_config(text, "zuul.conf", program=program, home=HOME, **keywords)


def complaints(text: str, program: Program = Program.SERVER) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, program)
    return [str(problem) for problem in caught.value.problems]


def warnings(text: str, **keywords: bool) -> list[str]:
    return [str(problem) for problem in parse(text, **keywords).warnings]
