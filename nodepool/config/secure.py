"""secure.conf: the database's address and the targets' logins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodepool.config.values import JenkinsConfig
from zuul.lib.fields import FieldReader
from zuul.lib.ini import parse_ini
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret, secrets_in_url

_JENKINS_SECTION = re.compile(r'jenkins\s+"?([^"]+?)"?$')


@dataclass(slots=True)
class SecureConfig:
    """What the file says, and what is wrong with it."""

    dburi: Secret | None = None
    jenkins: Mapping[str, JenkinsConfig] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def secrets(self) -> list[Secret]:
        found = secrets_in_url(self.dburi) if self.dburi else []
        return found + [each.apikey for each in self.jenkins.values()]


def parse_secure(text: str, source: str, targets: Mapping[str, object]) -> SecureConfig:
    """`targets`: those of nodepool.yaml, by name; sections of others are passed over."""
    ini, problems = parse_ini(text, source)
    secure = SecureConfig(problems=problems)
    reader = FieldReader(ini, "database", problems)
    secure.dburi = reader.find_secret("dburi")
    secure.warnings += reader.unknown(_passed_over)
    jenkins: dict[str, JenkinsConfig] = {}
    for section in ini.sections.values():
        match = _JENKINS_SECTION.match(section.name)
        if match is None:
            if section.name != "database":
                text = f"[{section.name}] is not a section of ours and is passed over"
                secure.warnings.append(Problem(source, section.line, "", text))
            continue
        reader = FieldReader(ini, section.name, problems)
        found = _jenkins(reader)
        secure.warnings += reader.unknown(_passed_over)
        if match.group(1) not in targets:
            text = f"there is no target {match.group(1)!r} in nodepool.yaml"
            secure.warnings.append(Problem(source, section.line, section.name, text))
        elif found is not None:
            jenkins[match.group(1)] = found
    secure.jenkins = jenkins
    return secure


def _jenkins(reader: FieldReader) -> JenkinsConfig | None:
    reader.require_text("url")
    url, user = reader.url("url", ""), reader.require_text("user")
    reader.require_text("apikey")
    apikey = reader.find_secret("apikey")
    credentials = reader.find_text("credentials")
    if not (url and user and apikey):
        return None
    return JenkinsConfig(url, user, apikey, credentials)


def _passed_over(key: str) -> str:
    return "is not an option of ours and is passed over"
