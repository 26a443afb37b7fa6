"""The files in etc/ are what people begin with: they are read without a complaint."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from zuul.config import GerritConnectionConfig, Program, parse_config
from zuul.layout.loader import read_layout
from zuul.lib.ini import parse_ini

ETC = Path(__file__).parents[3] / "etc"
CONF = (ETC / "zuul.conf-sample").read_text()


@pytest.mark.parametrize("program", Program)
def test_the_sample_configuration(program):
    config = parse_config(CONF, "zuul.conf-sample", program=program)
    assert config.warnings == ()
    assert isinstance(config.connections["gerrit"], GerritConnectionConfig)


def test_the_sample_tells_defaults_truly():
    """An option that is commented out stands there with a value that can be used."""
    lines = [line.removeprefix(";") if "=" in line else line for line in CONF.splitlines()]
    text = "\n".join(line.replace(";[", "[") for line in lines)
    config = parse_config(text, "zuul.conf-sample")
    assert config.warnings == ()
    assert set(config.connections) == {"gerrit", "mail", "database"}
    assert config.swift is not None


@pytest.mark.parametrize("name", sorted(path.name for path in ETC.glob("*logging.conf-sample")))
def test_the_sample_logging_files(name):
    text = (ETC / name).read_text()
    assert parse_ini(text, name)[1] == []
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    for kind in ("loggers", "handlers", "formatters"):
        for key in parser[kind]["keys"].split(","):
            assert f"{kind[:-1]}_{key}" in parser
    names = parser["loggers"]["keys"].split(",")
    assert {section for section in parser if section.startswith("logger_")} == {
        f"logger_{name}" for name in names
    }


def test_the_sample_layout():
    layout = read_layout(ETC / "layout.yaml-sample", {"gerrit": "gerrit"})
    assert [pipeline.name for pipeline in layout.pipelines] == ["check", "gate", "post"]
