"""What a master still knows when it comes back, after kill -9 and after a clean stop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import JENKINS_KINDS
from tests.contract.jenkins_site import JenkinsSite, wait_for
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.real_hudson import real_hudsons

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(params=JENKINS_KINDS)
def own_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JenkinsSite]:
    """A master of a test's own."""
    kind: str = request.param
    with contextlib.ExitStack() as stack:
        if kind == "real-hudson":
            [jenkins] = stack.enter_context(real_hudsons(1))
            site = JenkinsSite(kind, jenkins)
        else:
            modern = kind == "sandbox-modern"
            sandbox = stack.enter_context(SandboxJenkins(tmp_path / "home", modern=modern))
            site = JenkinsSite(kind, sandbox)
        stack.callback(site.close)
        yield site


def _with_builds(site: JenkinsSite) -> tuple[str, str]:
    """A job with a finished build 1 and a running build 2, and one that waits."""
    quick = site.job("true", name="quick")
    job = site.job("sleep 61", name="long")
    site.finished(quick, site.submitted(quick))
    site.running(job, site.submitted(job))
    wait_for(lambda: "+ sleep" in site.console(job, 1))
    site.queued(quick, site.submitted(quick, delay="600sec"))
    return quick, job


def test_kill(own_site: JenkinsSite) -> None:
    quick, job = _with_builds(own_site)
    own_site.jenkins.kill()
    own_site.jenkins.start()
    assert own_site.queue(quick) == []
    assert [row["result"] for row in own_site.builds(quick)] == ["SUCCESS"]
    rows = own_site.builds(job)
    if own_site.modern:
        assert [(row["building"], row["result"]) for row in rows] == [(False, None)]
    else:
        assert rows == []
        assert own_site.raw("GET", f"job/{job}/1/api/json").status_code == 404
    assert own_site.get(f"job/{job}/")["nextBuildNumber"] == 2


def test_clean_stop(own_site: JenkinsSite) -> None:
    quick, job = _with_builds(own_site)
    own_site.jenkins.stop()
    own_site.jenkins.start()
    assert len(own_site.queue(quick)) == 1
    assert [row["result"] for row in own_site.builds(quick)] == ["SUCCESS"]
    # The real one has been seen to fail what ran, and to forget it.
    results = [row["result"] for row in own_site.builds(job)]
    assert results in ([["ABORTED"]] if own_site.modern else [["FAILURE"], ["ABORTED"], []])
    assert own_site.get(f"job/{job}/")["nextBuildNumber"] == 2
    assert own_site.finished(job, _restarted(own_site, job))["number"] == 2


def _restarted(site: JenkinsSite, job: str) -> str:
    uuid = site.submitted(job)
    site.running(job, uuid)
    site.post(f"job/{job}/2/stop")
    return uuid
