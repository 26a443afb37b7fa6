"""clouds.yaml: logins of clouds by name, as OpenStack's own clients keep them.

The rule is os-client-config's: the first file there is of $OS_CLIENT_CONFIG_FILE, ./clouds.yaml,
~/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml (.yml as well); over it, of the same
folders, secure.yaml ($OS_CLIENT_SECURE_FILE). What a provider of nodepool.yaml says itself counts
more than both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from yaml.nodes import MappingNode, Node

from nodepool.config.reading import word
from nodepool.config.values import CloudConfig
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import Secret
from zuul.lib.yaml_document import Document
from zuul.lib.yaml_fields import Fields

#: values of CloudConfig by its fields' names; and auth_type, until all files are read
Entry = Mapping[str, Any]

_SUFFIXES: Final = (".yaml", ".yml")
#: of `auth`, by the names of CloudConfig
_AUTH: Final[Mapping[str, tuple[str, ...]]] = {
    "auth_url": ("auth_url",),
    "username": ("username",),
    "project_id": ("project_id", "tenant_id"),
    "project_name": ("project_name", "tenant_name"),
    "user_domain_id": ("user_domain_id",),
    "user_domain_name": ("user_domain_name",),
    "project_domain_id": ("project_domain_id",),
    "project_domain_name": ("project_domain_name",),
    "application_credential_id": ("application_credential_id",),
    "application_credential_name": ("application_credential_name",),
}
_SECRETS: Final = ("password", "application_credential_secret")
_CREDENTIAL: Final = (
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
#: what a login of that type has no use for
_AUTH_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "password": _CREDENTIAL,
    "v3password": _CREDENTIAL,
    "v3applicationcredential": ("password",),
}
_PROJECT: Final = ("project_id", "project_name")


@dataclass(frozen=True, slots=True)
class Clouds:
    """What the files say."""

    #: None: there is no file
    source: str | None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def complete(self, cloud: CloudConfig) -> CloudConfig:
        """With what its entry adds. Raises LookupError, which says what there is instead."""
        if self.source is None:
            raise LookupError("there is no clouds.yaml")
        entry = self.entries.get(cloud.cloud or "")
        if entry is None:
            known = ", ".join(sorted(self.entries)) or "none"
            raise LookupError(f"{self.source} has no cloud {cloud.cloud!r}; it has {known}")
        passed_over: tuple[str, ...] = ()
        if any(getattr(cloud, name) for name in _PROJECT):
            passed_over += _PROJECT
        if cloud.password is not None:
            passed_over += _CREDENTIAL
        added = {
            name: value
            for name, value in entry.items()
            if getattr(cloud, name) is None and name not in passed_over
        }
        return replace(cloud, **added)


class CloudFiles:
    """Where clouds.yaml and secure.yaml may stand; absolute, as daemons change their folder."""

    def __init__(self, environment: Mapping[str, str], folder: Path, home: Path) -> None:
        folders = (folder, home / ".config" / "openstack", Path("/etc/openstack"))
        self._clouds = _places(environment.get("OS_CLIENT_CONFIG_FILE"), folders, "clouds")
        self._secure = _places(environment.get("OS_CLIENT_SECURE_FILE"), folders, "secure")

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that may be read, now or later."""
        return (*self._clouds, *self._secure)

    def read(self) -> Clouds:
        """Never raises for what stands in them, or for what cannot be read."""
        problems: list[Problem] = []
        main = _first(self._clouds, problems)
        if main is None:
            return Clouds(None, problems=tuple(problems))
        entries = parse_clouds(*main, problems)
        secure = _first(self._secure, problems)
        if secure is not None:
            for name, more in parse_clouds(*secure, problems).items():
                entries[name] = {**entries.get(name, {}), **more}
        entries = {name: _one_login(entry) for name, entry in entries.items()}
        return Clouds(main[1], entries, tuple(sorted(problems)))


def parse_clouds(text: str, source: str, problems: list[Problem]) -> dict[str, Entry]:
    """Entries by name; what is wrong is added to `problems`."""
    try:
        document = Document(text, source)
    except ConfigError as error:
        problems += error.problems
        return {}
    node = Fields(document, document.root, "a map with clouds").take("clouds")
    entries = {}
    if node is not None:
        for name, (_, value) in document.fields(node).items():
            entries[name] = _entry(Fields(document, value))
    problems += document.problems()
    return entries


def _entry(cloud: Fields) -> Entry:
    found: dict[str, Any] = {
        "region_name": word(cloud, "region_name", None) or _first_region(cloud),
        "service_type": word(cloud, "compute_service_type", None),
        "service_name": word(cloud, "compute_service_name", None),
        "cacert": word(cloud, "cacert", None),
        "verify": cloud.flag("verify", None),
    }
    found["auth_type"] = cloud.choice("auth_type", {name: name for name in _AUTH_TYPES}, None)
    node = cloud.take("auth")
    if node is not None:
        auth = Fields(cloud.document, node)
        for name, keys in _AUTH.items():
            found[name] = next((value for key in keys if (value := word(auth, key, None))), None)
        for name in _SECRETS:
            secret = word(auth, name, None)
            found[name] = Secret(secret) if secret else None
    return {name: value for name, value in found.items() if value is not None}


def _one_login(entry: Entry) -> Entry:
    """Of a password and a credential the one that auth_type asks for. It may stand in another file
    than they do."""
    passed_over = ("auth_type", *_AUTH_TYPES[entry.get("auth_type", "password")])
    return {name: value for name, value in entry.items() if name not in passed_over}


def _first_region(cloud: Fields) -> str | None:
    """Regions are words, or maps with a name; a provider takes the first, or says its own."""
    node = cloud.take("regions")
    if node is None:
        return None
    items: list[Node] = cloud.document.sequence(node)
    if not items:
        return None
    if isinstance(items[0], MappingNode):
        return word(Fields(cloud.document, items[0]), "name", None)
    return cloud.document.text(items[0])


def _places(given: str | None, folders: Iterable[Path], name: str) -> tuple[Path, ...]:
    if given:
        return (Path(given).expanduser().absolute(),)
    return tuple(folder.absolute() / f"{name}{end}" for folder in folders for end in _SUFFIXES)


def _first(paths: Iterable[Path], problems: list[Problem]) -> tuple[str, str] | None:
    """Content and path of the first file there is."""
    for path in paths:
        try:
            return path.read_bytes().decode("utf-8-sig"), str(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(Problem(str(path), 0, "", f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError as error:
            problems.append(Problem(str(path), 0, "", f"is not UTF-8 at byte {error.start}"))
        return None
    return None
