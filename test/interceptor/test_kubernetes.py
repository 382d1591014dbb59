"""The daemon with pods from an API server: the test's own minimal one, over TLS."""

import pathlib
import time

import pytest
import yaml

from harness.api_server import DAEMON_SET, ApiServer
from test_daemon import pods, request_for, wait_for


def web(**annotations):
    return {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u1",
                     "labels": {"fsm-proxy-uuid": "a0c5"}, "annotations": annotations},
        "spec": {"nodeName": "n1", "containers": [{"name": "app"}], "initContainers": [
            {"name": "sidecar", "restartPolicy": "Always", "securityContext": {"runAsUser": 1500}}]},
    }


WEB = "/api/v1/namespaces/default/pods/web"


@pytest.fixture
def api(tmp_path):
    server = ApiServer(tmp_path)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def clustered(instance, api, monkeypatch):
    """The instance, as a pod of the cluster."""
    monkeypatch.setenv("NODE_NAME", "n1")
    monkeypatch.setenv("POD_NAMESPACE", "fsm-system")
    instance.config["podSource"] = {"kubernetes": {"kubeconfig": api.kubeconfig()}}
    return instance


def add(instance, netns):
    return instance.ask("POST", "/v1/cni/create-pod", request_for(netns))


def test_pods_come_from_the_api(clustered, api, netns):
    api.put(WEB, web())
    clustered.start()
    assert "pods of node n1" in clustered.get_json("/v1/status")["podSource"]
    assert add(clustered, netns)[0] == 200
    assert pods(clustered)[0]["state"] == "in-mesh"
    # A change applies to the running pod, and its problems are reported by an event.
    api.put(WEB, web(**{"flomesh.io/inbound-port-exclusion-list": "80, x"}))
    wait_for(lambda: pods(clustered)[0]["problems"])
    wait_for(lambda: api.events)
    event = api.events[0]
    assert event["reason"] == "FsmAnnotationIgnored" and event["source"]["host"] == "n1"
    assert event["involvedObject"]["uid"] == "u1"


def test_a_pod_that_the_api_does_not_have_is_refused(clustered, api, netns):
    clustered.start()
    status, body = add(clustered, netns)
    assert status == 503 and "there is no pod default/web" in body
    wait_for(lambda: [e for e in api.events if e["reason"] == "FsmRefused"])


def test_it_comes_up_without_the_api_and_nothing_changes_while_it_is_away(clustered, api, netns):
    api.put(WEB, web())
    clustered.start()
    assert add(clustered, netns)[0] == 200
    api.stop()
    wait_for(lambda: clustered.get_json("/v1/status")["problems"])
    time.sleep(6)  # a pass over the attachments
    assert pods(clustered)[0]["state"] == "in-mesh"
    assert clustered.get("/readyz")[0] == 200
    clustered.stop()
    # Restarted while the API is still away: not ready, but running, and the pod stays.
    clustered.start(until="/healthz")
    status, body = clustered.get("/readyz")
    assert status == 503 and "has not been read yet" in body
    assert pods(clustered)[0]["state"] == "in-mesh"
    api.start()
    wait_for(lambda: clustered.get("/readyz")[0] == 200, 40)


def test_an_upgrade_leaves_the_data_path(clustered, api, netns):
    api.put(WEB, web())
    clustered.start()
    assert add(clustered, netns)[0] == 200
    assert clustered.stop() == 0
    clustered.start()
    assert pods(clustered)[0]["state"] == "in-mesh"


def test_the_end_of_its_daemon_set_is_the_end_of_all(clustered, api, netns):
    api.put(WEB, web())
    clustered.start()
    assert add(clustered, netns)[0] == 200
    api.delete(DAEMON_SET)
    assert clustered.stop() == 0
    assert "everything is removed" in clustered.log.read_text()
    assert not clustered.state.exists()
    assert not pathlib.Path("/sys/fs/bpf", clustered.pins).exists()


@pytest.mark.parametrize("config, message", [
    ({"kubernetes": {}, "directory": "/x"}, "key podSource.kubernetes: there is one source"),
    ({"kubernetes": {"nodes": "x"}}, "key podSource.kubernetes.nodes: is not known"),
    ({"kubernetes": {"kubeconfig": "x"}}, "key podSource.kubernetes.kubeconfig: \"x\" must be"),
    ({"kubernetes": {"allNodes": "x"}}, "key podSource.kubernetes.allNodes"),
    ({"kubernetes": {"kubeconfig": "/absent", "node": "n"}}, "/absent"),
    ({"kubernetes": {"node": "n"}}, "KUBERNETES_SERVICE_HOST"),
    ({"kubernetes": {}}, "NODE_NAME"),
])
def test_configurations_that_cannot_lead_to_pods(instance, monkeypatch, config, message):
    for name in ("NODE_NAME", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    good = instance.config["podSource"]
    instance.config["podSource"] = config
    outcome = instance.call("run")
    instance.config["podSource"] = good
    assert outcome.returncode == 1
    assert message in outcome.stderr


def test_a_kubeconfig_that_needs_a_plugin_names_it(instance, api):
    text = yaml.safe_load(open(api.kubeconfig(), encoding="utf-8"))
    text["users"][0]["user"] = {"exec": {"command": "aws"}}
    path = instance.directory / "kubeconfig"
    path.write_text(yaml.safe_dump(text))
    instance.config["podSource"] = {"kubernetes": {"kubeconfig": str(path), "node": "n1"}}
    outcome = instance.call("run")
    assert outcome.returncode == 1
    assert "users[0].user.exec: is not supported" in outcome.stderr
