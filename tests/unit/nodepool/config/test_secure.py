"""secure.conf and the logins of earlier eras: what is secret, and who can read it."""

from __future__ import annotations

from pathlib import Path

from nodepool.config import Text, check_config, check_text, parse_config
from tests.unit.nodepool.config.texts import GOOD, SECURE, warnings
from zuul.lib.secret import STARS


def test_credentials_without_a_login_are_warned_of() -> None:
    text = GOOD + "    jenkins: {credentials-id: c, test-job: t}\n"
    assert warnings(text) == [
        "21:targets[0].jenkins.credentials-id: has no effect without url, user and apikey: it is"
        " credentials in secure.conf"
    ]


def test_secure_conf_has_the_logins() -> None:
    config = parse_config(GOOD, "f", Text(SECURE, "s"))
    jenkins = config.targets["jenkins01"].jenkins
    assert jenkins is not None
    assert (jenkins.url, jenkins.user, jenkins.credentials_id) == (
        "http://jenkins01",
        "nodepool",
        "abc",
    )
    assert jenkins.apikey.reveal() == "s3cret"
    assert config.dburi.reveal() == "sqlite:////tmp/x"
    assert "s3cret" not in repr(config)
    assert {each.reveal() for each in config.secrets()} == {"s3cret", "sqlite:////tmp/x"}


def test_problems_of_secure_conf_come_along() -> None:
    secure = SECURE.replace("user: nodepool\n", "") + '[jenkins "else"]\nurl: x\n[smtp]\na=b\n'
    checked = check_text(Text(GOOD.replace("rate: 1", "rate: x"), "f"), Text(secure, "s"))
    assert checked.config is None
    assert [(each.source, each.line, each.key) for each in checked.problems] == [
        ("f", 17, "providers[1].rate"),
        ("s", 3, 'jenkins "jenkins01".user'),
        ("s", 7, 'jenkins "else".apikey'),
        ("s", 7, 'jenkins "else".user'),
        ("s", 8, 'jenkins "else".url'),
    ]
    assert [each.line for each in checked.warnings] == [7, 9]


def test_logins_of_the_first_era_stand_in_nodepool_yaml() -> None:
    text = GOOD.replace(
        "- name: jenkins01",
        "- name: jenkins01\n    jenkins: {url: 'http://j/', user: u, apikey: k, test-job: t}",
    )
    target = parse_config(text + "dburi: mysql://u:pw@h/n\n", "f").targets["jenkins01"]
    assert target.jenkins is not None
    assert (target.jenkins.url, target.test_job, repr(target.jenkins.apikey)) == (
        "http://j",
        "t",
        STARS,
    )


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    def warned(main_text: str, secure_text: str, main_mode: int, secure_mode: int) -> list[str]:
        main, secure = tmp_path / "nodepool.yaml", tmp_path / "secure.conf"
        for path, text, mode in ((main, main_text, main_mode), (secure, secure_text, secure_mode)):
            path.write_text(text)
            path.chmod(mode)
        checked = check_config(main, secure)
        assert checked.problems == ()
        return [f"{Path(each.source).name}: {each.text}" for each in checked.warnings]

    read = "holds a password and others than its owner can read it: chmod 600"
    no_password = "[database]\ndburi=sqlite:////tmp/x\n"
    database = "[database]\ndburi=mysql+pymysql://nodepool:geheim@db/nodepool\n"
    login = '[jenkins "jenkins01"]\nurl=http://j\nuser=u\napikey=geheim\n'
    for text in (database, no_password + login):
        assert warned(GOOD, text, 0o644, 0o640) == [f"secure.conf: {read}"]
        assert warned(GOOD, text, 0o644, 0o600) == []
    assert warned(GOOD, no_password, 0o644, 0o644) == []
    for text in (
        GOOD.replace("rate: 1\n", "password: geheim\n"),
        GOOD + "    jenkins: {url: 'http://j', user: u, apikey: geheim}\n",
    ):
        assert warned(text, no_password, 0o640, 0o600) == [f"nodepool.yaml: {read}"]
        assert warned(text, no_password, 0o600, 0o600) == []
    old = f"dburi: 'mysql+pymysql://nodepool:geheim@db/nodepool'\n{GOOD}"
    assert warned(old, login, 0o644, 0o600) == [f"nodepool.yaml: {read}"]
    (written,) = warned(GOOD, no_password, 0o664, 0o600)
    assert written == "nodepool.yaml: others than its owner can change it: chmod go-w"


def test_the_log_hides_the_database_s_password_by_itself() -> None:
    text = f"dburi: 'mysql+pymysql://nodepool:ge%20heim@db/nodepool'\n{GOOD}"
    assert "ge heim" in [secret.reveal() for secret in parse_config(text, "f").secrets()]
