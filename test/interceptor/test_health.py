"""Problems of a node are reported while they last, and not longer; the rest is not affected."""

import re
import socket
import threading
import time

import pytest

from test_daemon import scrape, wait_for
from test_kubernetes import api, clustered  # noqa: F401: fixtures

# Checks run every 5 s.
SOON = 20


def problems(instance):
    return instance.get_json("/v1/status")["problems"]


def metric(instance, component):
    """The value that an alert uses; None if it is missing."""
    found = re.search(rf'^fsm_problems{{component="{component}"}} (\d+)$',
                      instance.get("/metrics")[1], re.MULTILINE)
    return int(found[1]) if found else None


def assert_probes_pass(instance):
    for probe in ("healthz", "readyz"):
        answer = instance.call(probe)
        assert answer.returncode == 0, answer.stderr


def test_a_broken_configuration_harms_nothing_that_runs(instance):
    instance.start()
    path = instance.config_file
    good = path.read_text()
    path.write_text("acceleration: [\n")
    wait_for(lambda: problems(instance), SOON)
    [problem] = problems(instance)
    assert str(path) in problem and "cannot be restarted" in problem
    assert metric(instance, "configuration") == 1
    assert "configuration, since 2" in instance.command("status", "--socket", instance.socket).stdout
    assert_probes_pass(instance)
    # A command that needs the file reports its error, and how to work without it.
    assert instance.command("status", "--config", path).returncode == 1
    path.unlink()
    time.sleep(6)
    assert [str(path) in problem for problem in problems(instance)] == [True], "it is gone"
    assert_probes_pass(instance)
    path.write_text(good)
    wait_for(lambda: problems(instance) == [], SOON)
    assert metric(instance, "configuration") == 0
    assert "is over after" in instance.log.read_text()


def test_a_profile_that_is_broken_is_said_before_the_next_start(instance):
    profiles = instance.directory / "profiles"
    profiles.mkdir()
    instance.config["profilesDirectory"] = str(profiles)
    instance.start()
    (profiles / "fsm.yaml").write_text("name: [\n")
    wait_for(lambda: any("fsm.yaml" in problem for problem in problems(instance)), SOON)
    assert_probes_pass(instance)
    (profiles / "fsm.yaml").unlink()
    wait_for(lambda: problems(instance) == [], SOON)


def test_a_changed_configuration_is_said_until_it_is_in_use(instance):
    instance.start()
    path = instance.config_file
    path.write_text("# A remark changes nothing.\n" + path.read_text())
    time.sleep(6)
    assert problems(instance) == []
    instance.config["podLookupTimeout"] = "3s"
    assert instance.config_file == path
    wait_for(lambda: problems(instance), SOON)
    assert "has changed since the interceptor was started" in problems(instance)[0]
    assert_probes_pass(instance)
    instance.stop()
    instance.start()
    assert problems(instance) == []


def test_an_alert_ends_with_its_cause(instance):
    instance.start()
    assert metric(instance, "pod-source") == 0
    bad = instance.pods / "bad.yaml"
    bad.write_text("kind: Pod\nmetadata: [")
    wait_for(lambda: metric(instance, "pod-source") == 1)
    bad.unlink()
    wait_for(lambda: metric(instance, "pod-source") == 0)
    wait_for(lambda: problems(instance) == [])


def test_a_corrupt_attachment_file_is_a_problem_until_it_is_deleted(instance):
    instance.start()
    instance.stop()
    corrupt = instance.state / "attachments" / "c1-eth0.json"
    corrupt.write_text("{")
    instance.start()
    assert metric(instance, "attachments") == 1
    (instance.state / "attachments" / "c1-eth0.json.corrupt").unlink()
    wait_for(lambda: metric(instance, "attachments") == 0, 60)


def test_a_port_that_becomes_free_is_taken(instance):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance.config["metricsAddress"] = f"127.0.0.1:{port}"
        instance.start()
        assert metric(instance, "metrics") == 1
    wait_for(lambda: problems(instance) == [], SOON)
    assert scrape(port)[0] == 200


def test_what_the_installer_finds_is_in_the_metric(instance):
    configurations = instance.directory / "net.d"
    configurations.mkdir()
    plugin = instance.directory / "plugin"
    plugin.write_text("binary")
    instance.config["cni"] = {"install": True, "configDir": str(configurations),
                              "binDir": str(instance.directory), "plugin": str(plugin)}
    instance.start(until="/healthz")
    wait_for(lambda: metric(instance, "installation") == 1)
    network = instance.directory / "network"
    network.write_text('{"cniVersion": "0.4.0", "name": "bridge", "type": "bridge"}\n')
    network.rename(configurations / "10-bridge.conf")
    wait_for(lambda: metric(instance, "installation") == 0)


def test_probes_that_meet_do_not_disturb_each_other(instance):
    instance.start()
    refused = []

    def ask(path):
        for _ in range(100):
            status, body = instance.get(path)
            if status != 200:
                refused.append(body)

    askers = [threading.Thread(target=ask, args=(path,))
              for path in ("/readyz", "/v1/cni/status") for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert refused == []


def test_debug_has_every_request(instance):
    instance.config["logLevel"] = "debug"
    instance.start()
    for path in ("/v1/pods", "/nowhere"):
        instance.get(path)
    instance.ask("POST", "/v1/cni/delete-pod", "{}")
    log = instance.log.read_text()
    for line in ("request GET /v1/pods (0 bytes) answered with 200", "request GET /nowhere",
                 "request POST /v1/cni/delete-pod (2 bytes) answered with 400", "verb=del"):
        assert line in log, line


def test_what_is_wrong_with_the_node_is_an_event_on_its_own_pod(clustered, api,  # noqa: F811
                                                                monkeypatch):
    monkeypatch.setenv("POD_NAME", "fsm-interceptor-x7")
    monkeypatch.setenv("POD_UID", "u7")
    clustered.start()
    path = clustered.config_file
    path.write_text("acceleration: [\n")
    wait_for(lambda: [each for each in api.events if each["reason"] == "FsmNodeProblem"], SOON)
    [event] = [each for each in api.events if each["reason"] == "FsmNodeProblem"]
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "uid": "u7",
                                       "namespace": "fsm-system", "name": "fsm-interceptor-x7"}
    assert str(path) in event["message"]


@pytest.mark.parametrize("probe", ["healthz", "readyz"])
def test_a_probe_reads_no_configuration(instance, probe):
    instance.start()
    broken = instance.directory / "broken.yaml"
    broken.write_text("a: [")
    answer = instance.command(probe, "--config", broken, "--socket", instance.socket)
    assert answer.returncode == 0, answer.stderr
