"""How one reaches an OpenStack, the sandbox's or a real one, and the clients that do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3
from novaclient import client


@dataclass(frozen=True, slots=True)
class Account:
    """A user in a project; `auth_url` ends with /v3, the domain is always `default`."""

    auth_url: str
    username: str
    password: str = field(repr=False)
    project_name: str
    project_id: str
    region: str = "RegionOne"

    def session(self, timeout: float = 60.0) -> session.Session:
        auth = v3.Password(
            auth_url=self.auth_url,
            username=self.username,
            password=self.password,
            project_name=self.project_name,
            user_domain_id="default",
            project_domain_id="default",
        )
        return session.Session(auth=auth, timeout=timeout)

    def nova(self, version: str = "2.1", timeout: float = 60.0) -> Any:
        """A novaclient."""
        return client.Client(version, session=self.session(timeout), region_name=self.region)

    def environment(self) -> dict[str, str]:
        """The OS_* variables."""
        return {
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": self.username,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": self.project_name,
            "OS_PROJECT_ID": self.project_id,
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": self.region,
            "OS_IDENTITY_API_VERSION": "3",
        }
