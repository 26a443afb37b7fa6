"""clouds.yaml: where it is, what it says, and what counts more."""

from pathlib import Path

import pytest

from nodepool.config import CloudConfig, CloudFiles, check_config
from nodepool.config.clouds import Clouds, parse_clouds
from tests.unit.nodepool.core.site import CONFIG
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret

CLOUDS = """\
clouds:
  one:
    profile: vendor
    auth:
      auth_url: https://keystone.example.org/v3
      username: nodepool
      password: secret1
      tenant_name: ci
      user_domain_name: ci-domain
    region_name: RegionOne
    verify: false
    identity_api_version: 3
  two:
    auth: {auth_url: 'https://two.example.org', username: u, password: p, project_id: 77}
    regions: [{name: a, values: {}}, b]
    cacert: /etc/ssl/two.pem
"""


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environment: dict[str, str] = {}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self) -> Clouds:
        return CloudFiles(self.environment, self.folder / "here", self.home).read()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def completed(clouds: Clouds, **said: str) -> CloudConfig:
    return clouds.complete(CloudConfig(**said))  # type: ignore[arg-type]


def test_an_entry_gives_a_login(site: Site) -> None:
    site.write("here/clouds.yaml", CLOUDS)
    clouds = site.read()
    assert clouds.problems == ()
    one, two = completed(clouds, cloud="one"), completed(clouds, cloud="two")
    assert (one.auth_url, one.username) == ("https://keystone.example.org/v3", "nodepool")
    assert one.password is not None
    assert one.password.reveal() == "secret1"
    assert (one.project_name, one.user_domain_name) == ("ci", "ci-domain")
    assert (one.region_name, one.verify) == ("RegionOne", False)
    assert (two.project_id, two.region_name, two.cacert) == ("77", "a", "/etc/ssl/two.pem")
    assert two.verify is None


def test_what_the_provider_says_counts_more(site: Site) -> None:
    site.write("here/clouds.yaml", CLOUDS)
    clouds = site.read()
    found = completed(clouds, cloud="one", region_name="RegionTwo", username="other")
    assert (found.region_name, found.username) == ("RegionTwo", "other")
    # One project, said in one way.
    found = completed(clouds, cloud="two", project_name="mine")
    assert (found.project_name, found.project_id) == ("mine", None)


def test_the_first_file_is_taken(site: Site) -> None:
    places = ("home/.config/openstack/clouds.yaml", "here/clouds.yml", "here/clouds.yaml")
    for place in places:
        path = site.write(place, CLOUDS)
        assert site.read().source == str(path)
    site.environment["OS_CLIENT_CONFIG_FILE"] = str(site.write("named.yaml", CLOUDS))
    assert site.read().source == str(site.folder / "named.yaml")


def test_secure_yaml_lies_over_it(site: Site) -> None:
    site.write("here/clouds.yaml", CLOUDS.replace("      password: secret1\n", ""))
    site.write("home/.config/openstack/secure.yaml", "clouds: {one: {auth: {password: s2}}}\n")
    found = completed(site.read(), cloud="one")
    assert found.password is not None
    assert (found.password.reveal(), found.username) == ("s2", "nodepool")


def test_an_application_credential_takes_the_place_of_a_password(site: Site) -> None:
    site.write(
        "here/clouds.yaml",
        "clouds:\n  one:\n    auth_type: v3applicationcredential\n    auth:\n"
        "      auth_url: https://keystone.example.org\n      application_credential_id: 21a\n"
        "      password: of somebody else\n",
    )
    site.write("here/secure.yaml", "clouds: {one: {auth: {application_credential_secret: s3}}}")
    clouds = site.read()
    assert clouds.problems == ()
    found = completed(clouds, cloud="one")
    assert found.application_credential_id == "21a"
    assert found.application_credential_secret is not None
    assert found.application_credential_secret.reveal() == "s3"
    assert found.password is None
    assert "s3" not in repr(found)
    # A provider that has a password of its own logs in with that.
    found = clouds.complete(CloudConfig(cloud="one", username="u", password=Secret("own")))
    assert (found.application_credential_id, found.application_credential_secret) == (None, None)


def test_what_is_wrong_is_told_with_its_place() -> None:
    problems: list[Problem] = []
    text = "clouds:\n  one:\n    auth_type: token\n    auth: [a]\n    verify: perhaps\n"
    parse_clouds(text, "clouds.yaml", problems)
    assert [str(problem).partition(": expected")[0] for problem in problems] == [
        "clouds.yaml:3: clouds.one.auth_type",
        "clouds.yaml:4: clouds.one.auth",
        "clouds.yaml:5: clouds.one.verify",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no clouds.yaml"),
        (CLOUDS, "has no cloud 'three'; it has one, two"),
        ("clouds: [", "did not find expected node"),
    ],
)
def test_a_provider_without_its_entry_is_a_problem(site: Site, text: str | None, told: str) -> None:
    main = site.write(
        "nodepool.yaml", CONFIG.replace("- name: p\n", "- name: p\n    cloud: three\n")
    )
    if text is not None:
        site.write("here/clouds.yaml", text)
    files = CloudFiles({}, site.folder / "here", site.home)
    (problem,) = check_config(main, None, files).problems
    assert told in str(problem)
    # Who may not read the logins can still check the rest.
    assert check_config(main).problems == ()


def test_files_that_nobody_needs_are_not_read(site: Site) -> None:
    main = site.write("nodepool.yaml", CONFIG)
    site.write("here/clouds.yaml", "clouds: [")
    files = CloudFiles({}, site.folder / "here", site.home)
    assert check_config(main, None, files).problems == ()
