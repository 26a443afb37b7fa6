"""Taking computers out of use: what the bridge and nodepool both do to a master."""

from __future__ import annotations

from typing import Final

from zuul.lib.jenkins.paths import computer_path
from zuul.lib.jenkins.session import JenkinsSession

#: what the Gearman plugin wrote on a node that a build uses up, and everybody after it
OFFLINE_MESSAGE: Final = "Offline due to Gearman request"


def set_offline(session: JenkinsSession, url_name: str, message: str = OFFLINE_MESSAGE) -> bool:
    """Mark a computer temporarily offline; what it runs goes on. False: it was. Never the other
    way round. Raises JenkinsError."""
    path = computer_path(url_name)
    found = session.get_json(f"{path}api/json", {"tree": "temporarilyOffline"})
    if found.get("temporarilyOffline") is not False:
        return False
    # It is a toggle: hence the look before it.
    session.post_checked(f"{path}toggleOffline", {"offlineMessage": message})
    return True
