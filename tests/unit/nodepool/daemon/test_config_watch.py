"""Files that change, well and badly."""

import logging
from pathlib import Path

import pytest

from nodepool.config import CloudFiles, NodepoolConfig
from nodepool.daemon.config_watch import ConfigFiles, ConfigWatch
from tests.unit.nodepool.core.site import CONFIG


class Site:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "nodepool.yaml"
        self.secure = folder / "secure.conf"
        self.path.write_text(CONFIG)
        self.path.chmod(0o600)
        self.secure.write_text("[database]\ndburi=sqlite://\n")
        self.clouds = folder / "clouds.yaml"
        files = ConfigFiles(self.path, self.secure, CloudFiles({}, folder, folder))
        self.applied: list[NodepoolConfig] = []
        self.watch = ConfigWatch(files, files.read(), self.applied.append)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_change_of_either_file_is_applied_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nodepool")
    site.watch.look()
    assert site.applied == []
    site.path.write_text(CONFIG.replace("min-ready: 1", "min-ready: 22"))
    site.watch.look()
    site.watch.look()
    assert [config.labels["one"].min_ready for config in site.applied] == [22]
    assert caplog.messages == ["Configuration read again labels=one"]
    site.secure.write_text("[database]\ndburi=sqlite:///elsewhere\n")
    site.watch.look()
    assert site.applied[1].dburi.reveal() == "sqlite:///elsewhere"


def test_a_change_of_clouds_yaml_reaches_who_uses_it(site: Site) -> None:
    site.path.write_text(CONFIG.replace("- name: p\n", "- name: p\n    cloud: one\n"))
    site.watch.look()
    assert site.applied == []  # there is no such file yet
    for password in ("a", "b"):
        auth = f"{{auth_url: 'http://k', username: u, password: {password}}}"
        site.clouds.write_text(f"clouds: {{one: {{auth: {auth}}}}}\n")
        site.watch.look()
        found = site.applied[-1].providers["p"].cloud.password
        assert found is not None
        assert found.reveal() == password


def test_a_bad_file_is_told_of_once_and_changes_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.path.write_text(CONFIG.replace("max-servers: 10", "max-servers: many\n    rate: fast"))
    site.watch.look()
    site.watch.look()
    assert site.applied == []
    (record,) = caplog.records
    assert "max-servers" in record.getMessage()
    assert "rate" in record.getMessage()
    site.path.write_text(CONFIG.replace("max-servers: 10", "max-servers: 11"))
    site.watch.look()
    assert [config.providers["p"].max_servers for config in site.applied] == [11]


def test_a_file_that_is_gone_for_a_moment_changes_nothing(site: Site) -> None:
    site.path.unlink()
    site.watch.look()
    site.path.write_text(CONFIG)
    site.watch.look()
    assert site.applied == []


def test_what_says_the_same_is_not_applied(site: Site) -> None:
    site.path.write_text("# a comment\n" + CONFIG)
    site.watch.look()
    assert site.applied == []


def test_asked_to_it_reads_files_that_look_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bool] = []
    before = ConfigFiles.read
    monkeypatch.setattr(ConfigFiles, "read", lambda self: read.append(True) or before(self))
    site.watch.look()
    site.watch.reload()
    site.watch.look()
    assert read == [True]
