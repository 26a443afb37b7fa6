"""The login to swift, and the account's key there. Blocks; every request has a time limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import requests
from keystoneauth1.exceptions.base import ClientException
from keystoneauth1.identity import V2Password, V3Password
from keystoneauth1.session import Session

from zuul.errors import ConnectionLost
from zuul.lib.secret import Secret

#: as the storage names it
KEY_HEADER = "X-Account-Meta-Temp-Url-Key"
REQUEST_SECONDS = 30.0


class Login(Protocol):
    """What of zuul.config.SwiftConfig a login needs."""

    @property
    def authurl(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def key(self) -> Secret | None: ...
    @property
    def preauthurl(self) -> str | None: ...
    @property
    def preauthtoken(self) -> Secret | None: ...
    @property
    def auth_version(self) -> str: ...
    @property
    def tenant_name(self) -> str | None: ...
    @property
    def tenant_id(self) -> str | None: ...
    @property
    def user_domain_name(self) -> str: ...
    @property
    def project_domain_name(self) -> str: ...
    @property
    def service_type(self) -> str: ...
    @property
    def endpoint_type(self) -> str: ...
    @property
    def region_name(self) -> str | None: ...
    @property
    def verify(self) -> bool | str: ...


@dataclass(frozen=True, slots=True)
class Account:
    """An account that somebody is logged into."""

    url: str
    token: str = field(repr=False)
    verify: bool | str

    def read_key(self) -> str | None:
        """The key of the account; None: it has none yet. Raises ConnectionLost."""
        return self._request("HEAD", {}).headers.get(KEY_HEADER)

    def set_key(self, key: Secret) -> None:
        """Raises ConnectionLost."""
        self._request("POST", {KEY_HEADER: key.reveal()})

    def _request(self, method: str, headers: dict[str, str]) -> requests.Response:
        return _request(method, self.url, {"X-Auth-Token": self.token, **headers}, self.verify)


def log_in(login: Login) -> Account:
    """Raises ConnectionLost."""
    if login.preauthurl and login.preauthtoken:
        return Account(login.preauthurl, login.preauthtoken.reveal(), login.verify)
    if login.auth_version.startswith("1"):
        return _log_in_by_headers(login)
    auth = _keystone(login)
    session = Session(auth=auth, verify=login.verify, timeout=REQUEST_SECONDS)
    try:
        token = session.get_token()
        url = login.preauthurl or session.get_endpoint(
            service_type=login.service_type,
            interface=login.endpoint_type,
            region_name=login.region_name,
            skip_discovery=True,
        )
    except (ClientException, requests.RequestException) as error:
        raise ConnectionLost(f"{login.authurl}: {error}", connection="swift") from error
    finally:
        session.session.close()
    if not token or not url:
        text = f"{login.authurl}: the catalog names no {login.service_type}"
        raise ConnectionLost(text, connection="swift")
    return Account(url, token, login.verify)


def _log_in_by_headers(login: Login) -> Account:
    """The way of swift before keystone, and of its own tempauth."""
    headers = {
        "X-Auth-User": login.user or "",
        "X-Auth-Key": login.key.reveal() if login.key else "",
    }
    answer = _request("GET", login.authurl or "", headers, login.verify)
    try:
        return Account(
            login.preauthurl or answer.headers["X-Storage-Url"],
            answer.headers["X-Auth-Token"],
            login.verify,
        )
    except KeyError as error:
        raise ConnectionLost(f"{login.authurl}: no {error}", connection="swift") from error


def _keystone(login: Login) -> V2Password | V3Password:
    user, tenant = login.user or "", login.tenant_name
    if tenant is None and login.tenant_id is None and ":" in user:
        tenant, _, user = user.partition(":")
    password = login.key.reveal() if login.key else ""
    if login.auth_version.startswith("3"):
        return V3Password(
            login.authurl or "",
            username=user,
            password=password,
            project_name=tenant,
            project_id=login.tenant_id,
            user_domain_name=login.user_domain_name,
            project_domain_name=login.project_domain_name if tenant else None,
        )
    return V2Password(
        login.authurl or "",
        username=user,
        password=password,
        tenant_name=tenant,
        tenant_id=login.tenant_id,
    )


def _request(
    method: str, url: str, headers: dict[str, str], verify: bool | str
) -> requests.Response:
    try:
        with requests.Session() as session:
            answer = session.request(
                method, url, headers=headers, verify=verify, timeout=REQUEST_SECONDS
            )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise ConnectionLost(f"{url}: {error}", connection="swift") from error
    return answer
