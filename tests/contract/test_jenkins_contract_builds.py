"""Builds: how a master answers, lists them, runs, stops and describes them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from tests.contract.jenkins_site import DECLARED, JenkinsSite, Row, wait_for
from tests.sandbox.jenkins_model import Parameter

pytestmark = pytest.mark.integration


def test_a_new_master_answers_with_a_queue_item_an_old_one_with_the_job(
    jenkins_site: JenkinsSite,
) -> None:
    job = jenkins_site.job()
    answer = jenkins_site.submit(job, "answer-1")
    where = answer.headers["Location"]
    base = jenkins_site.jenkins.url
    if jenkins_site.modern:
        assert (answer.status_code, where.rstrip("/").rpartition("/")[0]) == (
            201,
            f"{base}queue/item",
        )
        item = wait_for(lambda: _with_executable(jenkins_site, where[len(base) :]))
        assert item["executable"]["number"] == 1
        assert item["cancelled"] is False
    else:
        assert (answer.status_code, where) == (302, f"{base}job/{job}/")
    assert [row["number"] for row in [jenkins_site.finished(job, "answer-1")]] == [1]
    assert len(jenkins_site.builds(job)) == 1


def _with_executable(site: JenkinsSite, path: str) -> Row | None:
    item: Row = site.get(path)
    return item if item.get("executable") else None


def test_a_build_is_found_by_its_parameter(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("sleep 0.3")
    uuids = [jenkins_site.submitted(job, WORDS=f"w{i}") for i in range(3)]
    rows = [jenkins_site.finished(job, uuid) for uuid in uuids]
    assert sorted(row["number"] for row in rows) == [1, 2, 3]
    assert [row["parameters"]["WORDS"] for row in rows] == ["w0", "w1", "w2"]
    row = rows[0]
    assert (row["building"], row["result"], row["description"]) == (False, "SUCCESS", None)
    assert row["builtOn"] == ""
    assert row["duration"] >= 300
    assert row["url"].endswith(f"/job/{job}/{row['number']}/")


def test_what_is_not_declared_vanishes(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("echo word=$NOT_DECLARED=")
    uuid = jenkins_site.submitted(job, NOT_DECLARED="there")
    row = jenkins_site.finished(job, uuid)
    assert row["parameters"] == {"ZUUL_UUID": uuid, "WORDS": ""}
    assert "word==" in jenkins_site.console(job, row["number"])


def test_long_and_odd_values_arrive(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job('printf %s "$WORDS" | wc -c')
    odd = "ü☃ 'a' \"b\"\nc & d=e%20+"
    short, long = (jenkins_site.submitted(job, WORDS=text) for text in (odd, "x" * 65536))
    assert jenkins_site.finished(job, short)["parameters"]["WORDS"] == odd
    row = jenkins_site.finished(job, long)
    assert row["parameters"]["WORDS"] == "x" * 65536
    assert "\n65536\n" in jenkins_site.console(job, row["number"])


def test_choices_and_booleans(jenkins_site: JenkinsSite) -> None:
    declared = [
        DECLARED[0],
        Parameter("CHOICE", "Choice", choices=("a", "b")),
        Parameter("FLAG", "Boolean", "false"),
    ]
    job = jenkins_site.job("echo $CHOICE $FLAG", parameters=declared)
    row = jenkins_site.finished(job, jenkins_site.submitted(job, CHOICE="b", FLAG="true"))
    assert (row["parameters"]["CHOICE"], row["parameters"]["FLAG"]) == ("b", True)
    refused = jenkins_site.post(f"job/{job}/buildWithParameters", {"CHOICE": "c"})
    assert refused.status_code == (400 if jenkins_site.modern else 500)


def test_a_job_without_parameters(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job(parameters=())
    refused = jenkins_site.post(f"job/{job}/buildWithParameters", {"ZUUL_UUID": "u"})
    assert refused.status_code == (400 if jenkins_site.modern else 500)
    taken = jenkins_site.post(f"job/{job}/build", delay="0sec")
    assert taken.status_code == (201 if jenkins_site.modern else 302)
    assert wait_for(lambda: jenkins_site.builds(job))[0]["parameters"] == {}


def test_a_job_with_parameters_wants_them(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    assert jenkins_site.post(f"job/{job}/build").status_code == 400


def test_a_disabled_job_is_refused(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job(disabled=True)
    assert jenkins_site.get(f"job/{job}/")["buildable"] is False
    form = {"ZUUL_UUID": "refused", "delay": "0sec"}
    answer = jenkins_site.post(f"job/{job}/buildWithParameters", form)
    # An old master says yes and does nothing.
    assert answer.status_code == (409 if jenkins_site.modern else 302)
    wait_for(lambda: not jenkins_site.queue(job))
    assert jenkins_site.post(f"job/{job}/enable").status_code == 302
    assert jenkins_site.finished(job, jenkins_site.submitted(job))["number"] == 1
    assert jenkins_site.post(f"job/{job}/disable").status_code == 302
    assert jenkins_site.get(f"job/{job}/")["buildable"] is False


def test_what_is_not_there_is_404(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    for path in ("job/none/build", f"job/{job}/7/stop", f"job/{job}/7/submitDescription"):
        assert jenkins_site.post(path).status_code == 404, path
    for path in ("job/none/api/json", f"job/{job}/7/api/json", "none"):
        assert jenkins_site.raw("GET", path).status_code == 404, path


@pytest.mark.parametrize(("script", "result"), [("true", "SUCCESS"), ("exit 3", "FAILURE")])
def test_results(jenkins_site: JenkinsSite, script: str, result: str) -> None:
    job = jenkins_site.job(script)
    assert jenkins_site.finished(job, jenkins_site.submitted(job))["result"] == result


def test_the_environment_of_a_step(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job('echo "$JOB_NAME|$BUILD_NUMBER|$ZUUL_UUID|${WORKSPACE##*/}|"')
    uuid = jenkins_site.submitted(job)
    row = jenkins_site.finished(job, uuid)
    said = jenkins_site.console(job, row["number"])
    assert f"\n{job}|1|{uuid}|" in said
    assert said.endswith("Finished: SUCCESS\n")


def test_a_running_build_is_stopped(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("sleep 60")
    uuid = jenkins_site.submitted(job)
    row = jenkins_site.running(job, uuid)
    assert (row["building"], row["result"]) == (True, None)
    wait_for(lambda: "+ sleep" in jenkins_site.console(job, 1))
    answer = jenkins_site.post(f"job/{job}/1/stop")
    assert answer.status_code == 302
    assert jenkins_site.finished(job, uuid)["result"] == "ABORTED"
    again = jenkins_site.post(f"job/{job}/1/stop")
    assert again.status_code == 302
    assert jenkins_site.finished(job, uuid)["result"] == "ABORTED"


def test_a_description_is_set_and_kept(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("sleep 0.5")
    uuid = jenkins_site.submitted(job)
    jenkins_site.running(job, uuid)
    words = '<a href="http://z/?a=1&b=2">Ü ☃</a>\nsecond'
    answer = jenkins_site.post(f"job/{job}/1/submitDescription", {"description": words})
    assert answer.status_code == 302
    assert jenkins_site.running(job, uuid)["description"] == words
    assert jenkins_site.finished(job, uuid)["description"] == words


def test_names_with_blanks_and_other_letters(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job(name="gate ü-☃ (2)")
    names = [row["name"] for row in jenkins_site.get("", tree="jobs[name]")["jobs"]]
    assert job in names
    row = jenkins_site.finished(job, jenkins_site.submitted(job))
    path = urlsplit(row["url"]).path
    assert unquote(path) == f"/job/{job}/1/"
    assert path.isascii()


def test_one_at_a_time(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("sleep 60", concurrent=False)
    assert jenkins_site.get(f"job/{job}/")["concurrentBuild"] is False
    first = jenkins_site.submitted(job)
    jenkins_site.running(job, first)
    second = jenkins_site.submitted(job)
    item = jenkins_site.queued(job, second, "Build #1 is already in progress")
    assert (item["blocked"], item["buildable"]) == (True, False)
    jenkins_site.post(f"job/{job}/1/stop")
    assert jenkins_site.running(job, second)["number"] == 2
    jenkins_site.post(f"job/{job}/2/stop")


def test_trees(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    for _ in range(3):
        jenkins_site.finished(job, jenkins_site.submitted(job))
    classless = {} if not jenkins_site.modern else {"_class": "hudson.model.FreeStyleBuild"}
    found = jenkins_site.get(f"job/{job}/", tree="nextBuildNumber,builds[number],nothing")
    assert found["nextBuildNumber"] == 4
    assert found["builds"] == [{**classless, "number": number} for number in (3, 2, 1)]
    assert jenkins_site.get(f"job/{job}/", tree="builds")["builds"] == [classless] * 3
    wrong = jenkins_site.raw("GET", f"job/{job}/api/json", tree="builds[number")
    assert wrong.status_code >= 400
    ranged = jenkins_site.raw("GET", f"job/{job}/api/json", tree="builds[number]{0,2}")
    if jenkins_site.modern:
        assert [row["number"] for row in ranged.json()["builds"]] == [3, 2]
    else:
        assert ranged.status_code == 500
