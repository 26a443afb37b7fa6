"""Reports beside Gerrit's, as an operator configures them; some whom they go to are away."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.people import LAYOUT, Site
from tests.integration.sql_world import Rows
from tests.support.mail_server import started_mail_server
from tests.support.processes import find_free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

CONNECTIONS = """
[connection mail]
driver = smtp
server = 127.0.0.1
port = {mail}
default_from = zuul@example.org

[connection database]
driver = sql
dburi = {database}

[connection silent-mail]
driver = smtp
server = 127.0.0.1
port = {nobody}

[connection silent-database]
driver = sql
dburi = postgresql+psycopg://zuul:very-secret@127.0.0.1:{nobody}/zuul
"""
REPORTERS = """\
      mail: {to: dev@example.org, subject: 'Checked {change.number} of {change.project}'}
      database: {score: 1}
      silent-mail: {}
      silent-database: {}
"""


def test_140_a_mail_server_and_a_database_that_are_away_cost_no_change_any_time(
    sandbox: object, start_site: Callable[..., Site], tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/reports/zuul.sqlite"
    check = "      gerrit: {Verified: 1}\n"
    layout = LAYOUT.replace(check, check + REPORTERS, 1)
    with started_mail_server() as mail_server:
        ports = {"mail": mail_server.port, "nobody": find_free_port()}
        connections = CONNECTIONS.format(database=database, **ports)
        site = start_site(sandbox, layout=layout, connections=connections)
        upload = site.push("acme/one", "Add a")
        voted = site.expect_vote(upload, "Verified +1")
        site.expect_idle()
        (mail,) = mail_server.wait()
        assert mail.subject == f"Checked {upload.number} of acme/one"
        assert (mail.sender, mail.recipients) == ("zuul@example.org", ["dev@example.org"])
        assert mail.text.strip() in voted.comments[-1]
        (row,) = Rows(database).wait()
        assert (row["pipeline"], row["change"], row["score"]) == ("check", upload.number, 1)
        (build,) = Rows(database).builds(row["id"])
        assert (build["job_name"], build["result"]) == ("unit", "SUCCESS")

        server = site.suite.processes["zuul-server"]
        began = time.monotonic()
        server.send(signal.SIGTERM)
        assert server.wait(30) == 0
        assert time.monotonic() - began < 30
    text = server.log(1_000_000)
    for connection in ("silent-mail", "silent-database"):
        assert f"A report is dropped connection={connection} " in text
    assert "very-secret" not in text
