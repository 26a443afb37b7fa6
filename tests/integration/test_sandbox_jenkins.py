"""The sandbox Jenkins: python-jenkins as its client, people, folders, labels, life and death."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jenkins  # type: ignore[import-untyped]
import pytest
import requests

from tests.sandbox.jenkins import SandboxJenkins
from tests.sandbox.jenkins_people import ZUUL_PARAMETERS, BuildView
from tests.sandbox.jenkins_process import JenkinsProcess

pytestmark = pytest.mark.integration

SECONDS = 20.0


@pytest.fixture
def master(tmp_path: Path) -> Iterator[SandboxJenkins]:
    with SandboxJenkins(tmp_path / "home", users={"zuul": ("password", "token")}) as master:
        yield master


@pytest.fixture
def client(master: SandboxJenkins) -> Iterator[jenkins.Jenkins]:
    client = jenkins.Jenkins(master.url, "zuul", "password", timeout=10)
    yield client
    client._session.close()


def done(count: int) -> Callable[[list[BuildView]], bool]:
    return lambda builds: sum(1 for build in builds if build.result) == count


# -- python-jenkins --------------------------------------------------------------------------------


def test_python_jenkins_makes_a_job_and_builds_it(
    master: SandboxJenkins, client: jenkins.Jenkins
) -> None:
    assert client.get_all_jobs() == []
    # It asks without credentials unless it has learnt that they are needed.
    assert client.get_version() == "2.387.3"
    client.create_job("made", jenkins.EMPTY_CONFIG_XML)
    assert client.job_exists("made")
    client.disable_job("made")
    assert client.get_job_info("made")["buildable"] is False
    client.enable_job("made")
    queue_id = client.build_job("made")
    master.faults.queue_stuck = True
    assert client.get_queue_item(queue_id)["id"] == queue_id
    client.cancel_queue(queue_id)
    master.faults.queue_stuck = False
    master.add_job("with-parameters", "echo $ZUUL_UUID")
    client.build_job("with-parameters", {"ZUUL_UUID": "u1", "delay": "0sec"})
    [build] = master.wait_for(done(1))
    assert (build.uuid, build.result) == ("u1", "SUCCESS")
    assert client.get_build_info("with-parameters", 1)["queueId"] == build.queue_id
    assert "+ echo u1" in client.get_build_console_output("with-parameters", 1)
    client.delete_job("made")
    assert not client.job_exists("made")


def test_python_jenkins_makes_and_drops_nodes(client: jenkins.Jenkins) -> None:
    client.create_node("n1", numExecutors=3, labels="a b", exclusive=True)
    assert client.get_node_info("n1")["numExecutors"] == 3
    assert "<mode>EXCLUSIVE</mode>" in client.get_node_config("n1")
    client.disable_node("n1", "broken")
    assert client.get_node_info("n1")["offlineCauseReason"] == "broken"
    client.enable_node("n1")
    config = client.get_node_config("n1").replace("a b", "c").partition("?>")[2]
    client.reconfig_node("n1", config)
    labels = client.get_node_info("n1", depth=1)["assignedLabels"]
    assert [row["name"] for row in labels] == ["c", "n1"]
    client.delete_node("n1")
    assert not client.node_exists("n1")


def test_python_jenkins_sees_folders(master: SandboxJenkins, client: jenkins.Jenkins) -> None:
    master.add_job("team/sub/unit", "true")
    client.create_folder("other")
    client.create_job("other/unit", jenkins.EMPTY_CONFIG_XML)
    names = {job["fullname"] for job in client.get_all_jobs()}
    assert names == {"team", "team/sub", "team/sub/unit", "other", "other/unit"}
    client.build_job("team/sub/unit", {"ZUUL_UUID": "u", "delay": "0sec"})
    assert master.wait_for(done(1))[0].job == "team/sub/unit"


# -- who may enter ---------------------------------------------------------------------------------


def post(master: SandboxJenkins, path: str, **options: object) -> int:
    answer = requests.post(master.url + path, timeout=SECONDS, allow_redirects=False, **options)  # type: ignore[arg-type]
    return answer.status_code


def test_credentials(master: SandboxJenkins) -> None:
    master.add_job("j")
    assert requests.get(f"{master.url}api/json", timeout=SECONDS).status_code == 403
    for words in (("zuul", "wrong"), ("nobody", "token")):
        answer = requests.get(f"{master.url}api/json", auth=words, timeout=SECONDS)
        assert answer.status_code == 401
    path = "job/j/buildWithParameters"
    # A token needs no crumb, a password does.
    assert post(master, path, data={"ZUUL_UUID": "u"}, auth=("zuul", "token")) == 201
    assert post(master, path, data={"ZUUL_UUID": "u"}, auth=("zuul", "password")) == 403
    master.change_password("zuul", "new", "newer")
    assert post(master, path, auth=("zuul", "token")) == 401
    assert post(master, path, auth=("zuul", "newer")) == 201


def test_crumbs_belong_to_a_session_and_expire(master: SandboxJenkins) -> None:
    with requests.Session() as session:
        session.auth = ("zuul", "password")
        issued = session.get(f"{master.url}crumbIssuer/api/json", timeout=SECONDS).json()
        headers = {issued["crumbRequestField"]: issued["crumb"]}

        def quiet() -> int:
            return session.post(
                f"{master.url}quietDown", headers=headers, allow_redirects=False, timeout=SECONDS
            ).status_code

        assert quiet() == 302
        master.expire_crumbs()
        assert quiet() == 403
        issued = session.get(f"{master.url}crumbIssuer/api/json", timeout=SECONDS).json()
        headers = {issued["crumbRequestField"]: issued["crumb"]}
        assert quiet() == 302
        session.cookies.clear()
        assert quiet() == 403


# -- where builds run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "node"),
    [
        ("linux", "n1"),
        ("linux && gcc", "n1"),
        ("(bsd || gcc) && !linux", "n2"),
        ("n2", "n2"),
        ("linux -> gcc", "n1"),
        ('"c++" || "none such"', "n3"),
        ("linux <-> gcc", "n1"),
    ],
)
def test_label_expressions(master: SandboxJenkins, expression: str, node: str) -> None:
    master.add_node("", executors=0)
    master.add_node("n1", "linux gcc")
    master.add_node("n2", "bsd")
    master.add_node("n3", "c++")
    master.add_job("tied", labels=expression)
    master.start_build("tied")
    assert master.wait_for(done(1))[0].node == node


def test_exclusive_nodes_take_tied_jobs_only(master: SandboxJenkins) -> None:
    master.add_node("", executors=0)
    master.add_node("only", "mine", mode="EXCLUSIVE")
    master.add_job("free")
    master.add_job("tied", labels="mine")
    master.start_build("free")
    master.start_build("tied")
    assert [build.job for build in master.wait_for(done(1))] == ["tied"]
    assert [item.job for item in master.queue()] == ["free"]
    master.add_node("only", "mine", mode="NORMAL")
    assert [build.node for build in master.wait_for(done(2))] == ["only", "only"]


def test_executors_bound_what_runs(master: SandboxJenkins) -> None:
    master.add_node("", executors=2)
    master.add_job("j", "sleep 0.3")
    for index in range(5):
        master.start_build("j", ZUUL_UUID=str(index))
    most = 0

    def watch(builds: list[BuildView]) -> bool:
        nonlocal most
        most = max(most, sum(1 for build in builds if build.building))
        return done(5)(builds)

    master.wait_for(watch)
    assert most == 2


def test_a_lost_agent_fails_its_build(master: SandboxJenkins) -> None:
    master.add_node("n1", "l")
    master.add_job("j", "sleep 30", labels="l")
    master.start_build("j")
    master.wait_for(lambda builds: builds)
    master.disconnect_node("n1")
    assert master.wait_for(done(1))[0].result == "FAILURE"
    master.start_build("j")
    assert master.queue()
    master.connect_node("n1")
    master.wait_for(lambda builds: len(builds) == 2)


def test_a_step_is_a_process_that_ends_with_its_build(
    master: SandboxJenkins, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    script = f'echo "$NODE_NAME $LOG_PATH" > {marker}\nsleep 30 & wait\necho no > {marker}'
    master.add_job("j", script)
    master.start_build("j", LOG_PATH="a b")
    deadline = time.monotonic() + SECONDS
    while not marker.exists() or not marker.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert marker.read_text() == "built-in a b\n"
    master.stop_build("j", 1)
    assert master.wait_for(done(1))[0].result == "ABORTED"


def test_results_of_all_kinds(master: SandboxJenkins) -> None:
    words = ("UNSTABLE", "NOT_BUILT", "SUCCESS", "ABORTED", "FAILURE")
    for word in words:
        master.add_job(word, f"result {word}")
        master.start_build(word)
    results = {build.job: build.result for build in master.wait_for(done(5))}
    assert results == {word: word for word in words}


# -- life and death --------------------------------------------------------------------------------


def test_safe_restart_waits_for_builds(master: SandboxJenkins) -> None:
    master.restart_seconds = 0.3
    master.add_job("j", "sleep 0.5")
    master.start_build("j", ZUUL_UUID="a")
    master.wait_for(lambda builds: builds)
    assert post(master, "safeRestart", auth=("zuul", "token")) == 302
    master.start_build("j", ZUUL_UUID="b")
    statuses = set()
    deadline = time.monotonic() + SECONDS
    while len([build for build in master.builds() if build.result]) < 2:
        assert time.monotonic() < deadline
        url = f"{master.url}api/json"
        statuses.add(requests.get(url, auth=("zuul", "token"), timeout=SECONDS).status_code)
        time.sleep(0.02)
    assert statuses == {200, 503}
    assert [build.result for build in master.builds()] == ["SUCCESS", "SUCCESS"]


def test_a_killed_master_forgets_what_waited_and_numbers_anew(master: SandboxJenkins) -> None:
    master.add_node("", executors=1)
    master.add_job("j", "sleep 30")
    master.add_job("gone")
    for index in range(3):
        master.start_build("j", ZUUL_UUID=str(index))
    master.wait_for(lambda builds: builds)
    port = master.port
    master.kill()
    master.faults.lost_jobs.add("gone")
    master.faults.crash_result = "ABORTED"
    master.start()
    assert master.port == port
    assert [build.result for build in master.builds("j")] == ["ABORTED"]
    assert master.queue() == []
    assert (
        requests.get(
            f"{master.url}job/gone/api/json", auth=("zuul", "token"), timeout=SECONDS
        ).status_code
        == 404
    )
    # Queue ids begin again: an old one may point to another build.
    assert master.start_build("j", ZUUL_UUID="again") == 1


def test_a_kept_queue_is_kept_once(master: SandboxJenkins) -> None:
    master.add_node("", executors=0)
    master.add_job("j")
    master.start_build("j", ZUUL_UUID="u")
    master.stop()
    master.start()
    assert [item.values[0] for item in master.queue()] == [("Text", "ZUUL_UUID", "u")]
    master.kill()
    master.start()
    assert master.queue() == []


def test_as_a_process_it_may_be_killed_for_real(tmp_path: Path) -> None:
    setup = "nodes: {n1: {labels: l, executors: 1}}\njobs: {j: {script: 'sleep 30'}, k: 'true'}\n"
    process = JenkinsProcess(tmp_path / "home", setup=setup, user="zuul:password:token")
    form = {"ZUUL_UUID": "u", "delay": "0sec"}
    with process, requests.Session() as session:
        session.auth = ("zuul", "token")
        url, job = process.url, f"{process.url}job/j/"
        answer = session.post(f"{job}buildWithParameters", data=form, timeout=SECONDS)
        assert answer.status_code == 201
        deadline = time.monotonic() + SECONDS
        while not session.get(f"{job}api/json", timeout=SECONDS).json()["builds"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=SECONDS)
        process.start()
        assert process.url == url
        build = session.get(f"{job}1/api/json", timeout=SECONDS).json()
        assert (build["building"], build["result"]) == (False, None)
        form = {"ZUUL_UUID": "later", "delay": "600sec"}
        session.post(f"{url}job/k/buildWithParameters", data=form, timeout=SECONDS)
        process.stop()
        process.start()
        [item] = session.get(f"{url}queue/api/json", timeout=SECONDS).json()["items"]
        assert item["task"]["name"] == "k"


def test_a_big_master(tmp_path: Path) -> None:
    """1,129 jobs and 328 nodes: the polls of a bridge."""
    with SandboxJenkins(tmp_path / "big", persistent=False) as master:
        for index in range(328):
            master.add_node(f"n{index}", "linux", mode="EXCLUSIVE")
        for index in range(1129):
            master.add_job(f"job-{index}", "sleep 600", labels="linux")
        trees = {
            "api/json": "quietingDown,jobs[name,url,_class,buildable,concurrentBuild,"
            "labelExpression,property[parameterDefinitions[name,type]]]",
            "computer/api/json": "computer[displayName,offline,numExecutors,"
            "assignedLabels[name],executors[currentExecutable[url,number]]]",
        }
        for path, tree in trees.items():
            answer = requests.get(master.url + path, params={"tree": tree}, timeout=SECONDS)
            assert answer.status_code == 200
        for index in range(300):
            master.start_build(f"job-{index}", ZUUL_UUID=str(index))
        builds = master.wait_for(lambda builds: len(builds) == 300)
        assert len({build.node for build in builds}) == 300
        assert len(ZUUL_PARAMETERS) == len(builds[0].parameters)
