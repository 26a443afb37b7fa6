"""The queue: what waits, why, how it is cancelled, and when it goes on."""

from __future__ import annotations

import pytest

from tests.contract.jenkins_site import JenkinsSite, wait_for

pytestmark = pytest.mark.integration

LATER = "600sec"


def test_what_waits_shows_its_parameters(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    uuid = jenkins_site.submitted(job, delay=LATER)
    item = jenkins_site.queued(job, uuid)
    assert item["parameters"] == {"ZUUL_UUID": uuid, "WORDS": ""}
    assert uuid in item["params"]
    assert (item["blocked"], item["buildable"], item["stuck"]) == (False, False, False)
    assert item["why"].startswith("In the quiet period. Expires in ")
    assert ("id" in item, "url" in item) == (jenkins_site.modern, jenkins_site.modern)
    assert jenkins_site.get(f"job/{job}/")["inQueue"] is True
    jenkins_site.cancel(item)


def test_without_a_word_the_quiet_period_counts(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    jenkins_site.post(f"job/{job}/buildWithParameters", {"ZUUL_UUID": "quiet"})
    assert jenkins_site.queued(job, "quiet")["why"].startswith("In the quiet period.")
    # Asked for again without delay, the waiting one is due at once.
    jenkins_site.submit(job, "quiet")
    assert jenkins_site.finished(job, "quiet")["number"] == 1


def test_equal_requests_become_one_build(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    for uuid in ("same", "same", "other", "same"):
        jenkins_site.submit(job, uuid, delay=LATER)
    waiting = sorted(item["parameters"]["ZUUL_UUID"] for item in jenkins_site.queue(job))
    assert waiting == ["other", "same"]
    for uuid in waiting:
        jenkins_site.cancel(jenkins_site.queued(job, uuid))


def test_a_waiting_build_is_cancelled(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    keep, drop = (jenkins_site.submitted(job, delay=LATER) for _ in range(2))
    item = jenkins_site.queued(job, drop)
    answer = jenkins_site.cancel(item)
    assert answer.status_code == (204 if jenkins_site.modern else 302)
    wait_for(lambda: len(jenkins_site.queue(job)) == 1)
    assert jenkins_site.queued(job, keep)
    if jenkins_site.modern:
        told = jenkins_site.get(f"queue/item/{item['id']}/")
        assert (told["cancelled"], told.get("executable")) == (True, None)
        assert jenkins_site.cancel(item).status_code == 404
    jenkins_site.cancel(jenkins_site.queued(job, keep))
    wait_for(lambda: not jenkins_site.queue(job))
    assert jenkins_site.builds(job) == []


def test_old_masters_cancel_by_job_and_by_place(jenkins_site: JenkinsSite) -> None:
    if jenkins_site.modern:
        assert jenkins_site.raw("POST", "queue/items/0/cancelQueue").status_code != 302
        return
    job = jenkins_site.job()
    for uuid in ("one", "two"):
        jenkins_site.submit(job, uuid, delay=LATER)
    assert jenkins_site.raw("GET", "queue/item/1/api/json").status_code == 404
    assert jenkins_site.post("queue/cancelItem", id="1").status_code == 404
    assert jenkins_site.post("queue/items/999/cancelQueue").status_code == 500
    assert jenkins_site.post(f"job/{job}/cancelQueue").status_code == 302
    assert len(jenkins_site.queue(job)) == 1
    assert jenkins_site.post(f"job/{job}/cancelQueue").status_code == 302
    assert jenkins_site.queue(job) == []
    assert jenkins_site.post(f"job/{job}/cancelQueue").status_code == 302


def test_quiet_down_holds_what_waits(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("sleep 1")
    running = jenkins_site.submitted(job)
    jenkins_site.running(job, running)
    assert jenkins_site.post("quietDown").status_code == 302
    try:
        if jenkins_site.modern:
            assert jenkins_site.get("", tree="quietingDown")["quietingDown"] is True
        else:
            assert "quietingDown" not in jenkins_site.get("", tree="quietingDown")
        waiting = jenkins_site.submitted(job)
        jenkins_site.queued(job, waiting, "is about to shut down")
        assert jenkins_site.finished(job, running)["result"] == "SUCCESS"
    finally:
        assert jenkins_site.post("cancelQuietDown").status_code == 302
    assert jenkins_site.finished(job, waiting)["result"] == "SUCCESS"


def test_a_label_that_no_node_has(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job(labels="nobody-has-it")
    uuid = jenkins_site.submitted(job)
    assert jenkins_site.queued(job, uuid)
    item = wait_for(lambda: next((i for i in jenkins_site.queue(job) if i["buildable"]), None))
    # An old master without nodes speaks of executors only.
    assert "nobody-has-it" in item["why"] or item["why"] == "Waiting for next available executor"
    jenkins_site.cancel(item)


def test_deleting_a_job_takes_what_waits_along(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    jenkins_site.submit(job, "u", delay=LATER)
    assert jenkins_site.post(f"job/{job}/doDelete").status_code == 302
    wait_for(lambda: not jenkins_site.queue(job))
    assert jenkins_site.raw("GET", f"job/{job}/api/json").status_code == 404
