"""zuul.conf, the file: where it is looked for, who may read it, what is no text."""

import pytest

from tests.unit.zuul.config.texts import SMALLEST, WITH_SECRETS
from zuul.config import parse_config, read_config
from zuul.lib import logs
from zuul.lib.problems import ConfigError


class TestReadConfig:
    def test_reads_a_file(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_text(SMALLEST)
        assert read_config(path) == parse_config(SMALLEST, str(path))

    def test_the_log_hides_its_secrets(self, tmp_path, monkeypatch):
        redactor = logs.Redactor()
        monkeypatch.setattr(logs, "hide", redactor.hide)
        (tmp_path / "zuul.conf").write_text(WITH_SECRETS)
        read_config(tmp_path / "zuul.conf")
        assert redactor.redact("with geheim2") == "with ********"

    def test_warns_of_permissions(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_text(WITH_SECRETS)
        path.chmod(0o640)
        assert "chmod 600" in str(read_config(path).warnings[0])
        path.chmod(0o600)
        assert read_config(path).warnings == ()
        path.chmod(0o620)
        assert "chmod go-w" in str(read_config(path).warnings[0])

    def test_a_missing_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(ConfigError, match=r"nowhere\.conf: cannot be read: .*No such file"):
            read_config(tmp_path / "nowhere.conf")

    def test_not_utf8(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_bytes(b"[zuul]\nx=\xff\n")
        with pytest.raises(ConfigError, match=r"zuul\.conf:2: is not UTF-8"):
            read_config(path)

    def test_too_large(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_bytes(b"#" * (1 << 21))
        with pytest.raises(ConfigError, match="is larger than"):
            read_config(path)

    def test_the_home_folder_is_looked_in(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr("zuul.config.parser.DEFAULT_PATHS", ("/nonexistent", "~/zuul.conf"))
        with pytest.raises(ConfigError, match="no configuration file: neither of"):
            read_config()
        (tmp_path / "zuul.conf").write_text(SMALLEST)
        assert read_config().source == str(tmp_path / "zuul.conf")
