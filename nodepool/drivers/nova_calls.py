"""One cloud's HTTP: a keystone session, novaclient and adapters on it, and the one place where
their exceptions become nodepool's.

Nothing here is logged by the client libraries at DEBUG: answers to creates hold passwords.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import BaseIdentityPlugin, Password, V3ApplicationCredential
from keystoneauth1.session import Session
from novaclient import client as nova_client  # type: ignore[import-untyped]
from novaclient import exceptions as nova_errors

from nodepool.config.values import CloudConfig
from nodepool.drivers.nova_errors import error_of, is_trouble
from nodepool.drivers.pace import Pace, TaskHook
from nodepool.errors import ProviderError, ProviderRefused, ProviderThrottled

T = TypeVar("T")
#: the oldest that all clouds have; with it a create without networks takes what there is
MICROVERSION = "2.1"
_DOMAIN = "default"
_MUTE = logging.Logger("nodepool.provider.http", logging.WARNING)
#: what reading an answer that is no such answer raises
_GARBAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class Calls:
    """Makes calls, each in its turn and with the provider's time-out."""

    def __init__(self, provider: str, cloud: CloudConfig, on_task: TaskHook | None = None) -> None:
        self.provider = provider
        self._on_task = on_task
        self._has_address = bool(cloud.auth_url)
        self.pace = Pace(cloud.rate)
        self._session = _session(cloud)
        where: dict[str, Any] = {
            "session": self._session,
            "region_name": cloud.region_name,
            "logger": _MUTE,
        }
        self.nova: Any = nova_client.Client(
            MICROVERSION,
            **where,
            service_type=cloud.service_type or "compute",
            service_name=cloud.service_name,
        )
        self.image = Adapter(service_type="image", raise_exc=True, **where)
        self.network = Adapter(service_type="network", raise_exc=True, **where)

    def close(self) -> None:
        self.pace.close()

    def do(self, task: str, what: str, call: Callable[[], T]) -> T:
        """Raises ProviderError or what is below it. `task` is for statsd (contract 17), `what` for
        people."""
        if not self.pace.take_turn():
            raise ProviderRefused("The provider is being closed", provider=self.provider)
        self._log_in(what)
        started = time.monotonic()
        try:
            return self._guarded(what, call)
        finally:
            if self._on_task is not None:
                self._on_task(self.provider, task, time.monotonic() - started)

    def has_network(self, what: str) -> bool:
        """Whether there is a neutron, by keystone's catalog: no call besides the login, if that."""

        def look() -> bool:
            try:
                return self.network.get_endpoint() is not None
            except keystone_errors.EndpointNotFound:
                return False

        self._log_in(what)
        return self._guarded(what, look)

    def _log_in(self, what: str) -> None:
        """What fails before the call goes out leaves no doubt that nothing was done."""
        if not self._has_address:
            text = "The provider has no auth-url, neither by itself nor in clouds.yaml"
            raise ProviderRefused(text, provider=self.provider)
        try:
            self._guarded(f"login before {what}", self._session.get_token)
        except ProviderThrottled:
            raise
        except ProviderError as error:
            raise ProviderRefused(str(error), provider=self.provider) from error

    def _guarded(self, what: str, call: Callable[[], T]) -> T:
        status: int | None = None
        retry_after = 0.0
        try:
            result = call()
        except nova_errors.ClientException as error:
            status, text, cause = error.code, str(error.message or error), error
            retry_after = float(getattr(error, "retry_after", 0) or 0)
        except keystone_errors.HttpError as error:
            status, text, cause = error.http_status, str(error), error
            retry_after = float(getattr(error, "retry_after", 0) or 0)
        except keystone_errors.EndpointNotFound as error:
            raise ProviderRefused(f"{what}: {error}", provider=self.provider) from error
        except (keystone_errors.ClientException, *_GARBAGE) as error:
            text, cause = f"{type(error).__name__}: {error}", error
        else:
            self.pace.went_well()
            return result
        failure = error_of(self.provider, what, status or None, text, retry_after)
        if is_trouble(failure, status or None):
            self.pace.had_trouble(retry_after)
        else:
            self.pace.went_well()
        raise failure from cause


def _session(cloud: CloudConfig) -> Session:
    verify: bool | str = cloud.cacert or True
    return Session(
        auth=login_of(cloud),
        timeout=cloud.api_timeout,
        verify=False if cloud.verify is False else verify,
    )


def login_of(cloud: CloudConfig) -> BaseIdentityPlugin:
    """What is not said of domains means the domain `default`."""
    has_user_domain = bool(cloud.user_domain_id or cloud.user_domain_name)
    has_project_domain = bool(cloud.project_domain_id or cloud.project_domain_name)
    # Said as the default, and of neither, it does not rule out keystone's version 2.
    is_plain = not has_user_domain and not has_project_domain
    if cloud.application_credential_secret is not None:
        return V3ApplicationCredential(
            # Unlike a password's, its address is taken as it is.
            f"{(cloud.auth_url or '').rstrip('/').removesuffix('/v3')}/v3",
            username=cloud.username,
            user_domain_id=cloud.user_domain_id if has_user_domain else _DOMAIN,
            user_domain_name=cloud.user_domain_name,
            application_credential_id=cloud.application_credential_id,
            application_credential_name=cloud.application_credential_name,
            application_credential_secret=cloud.application_credential_secret.reveal(),
        )
    return Password(
        cloud.auth_url or "",
        username=cloud.username,
        user_domain_id=cloud.user_domain_id if has_user_domain or is_plain else _DOMAIN,
        user_domain_name=cloud.user_domain_name,
        password=cloud.password.reveal() if cloud.password else None,
        project_id=cloud.project_id,
        project_name=None if cloud.project_id else cloud.project_name,
        project_domain_id=cloud.project_domain_id
        if has_project_domain or cloud.project_id or is_plain
        else _DOMAIN,
        project_domain_name=cloud.project_domain_name,
        default_domain_id=_DOMAIN if is_plain else None,
    )
