"""zuul.conf: passwords are shown nowhere, and known to the log."""

import pytest

from tests.unit.zuul.config.texts import SMALLEST, WITH_SECRETS, parse


class TestSecrets:
    def test_they_are_not_shown(self):
        config = parse(WITH_SECRETS)
        for text in (repr(config), str(config), f"{config.connections}", repr(config.secrets)):
            assert "geheim" not in text

    def test_they_are_listed_for_the_log_to_hide(self):
        revealed = {secret.reveal() for secret in parse(WITH_SECRETS).secrets}
        assert revealed == {"geheim1", "mysql://u:geheim2@h/d", "geheim2", "geheim3", "geheim4"}

    @pytest.mark.parametrize(
        ("uri", "hidden"),
        [
            ("mysql://u:ge%2Fheim@h/d", {"mysql://u:ge%2Fheim@h/d", "ge/heim"}),
            ("sqlite:////tmp/x.db", {"sqlite:////tmp/x.db"}),
            ("mysql://[half", {"mysql://[half"}),
        ],
    )
    def test_the_password_inside_a_uri(self, uri, hidden):
        config = parse(f"{SMALLEST}[connection db]\ndriver=sql\ndburi={uri}\n")
        assert {secret.reveal() for secret in config.secrets} == hidden
