"""`fsm install` in a cluster in which pods already run."""

import json
import re

import pytest

from applications import OWN_SOURCE, SERVICE_PORT, came_through, request
from cluster import HOME
from conftest import CONTROL
from harness.wait import eventually
from product import CONFLIST, DAEMONSET, FSM, METRICS_PORT, NAMESPACE, PINS, PLUGIN


# pylint: disable-next=unused-argument
def test_without_it_requests_go_past_the_sidecars(cluster, veterans):
    """Checks that the effects in later tests come from the interceptor."""
    seen = eventually(lambda: request(cluster, "client", "server").seen)
    assert seen == cluster.addresses("client")[0]


def test_check_before_the_installation(cluster, veterans):  # pylint: disable=unused-argument
    """Nothing is installed yet: this module asks for the product below."""
    done = cluster.run(FSM, "check", "--output", "json", check=False)
    found = {each["check"]: each["result"] for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    assert found["mesh"] == found["kernel"] == found["rights"] == found["pod-security"] == "ok"
    assert "interceptor" not in found


def test_daemonset_is_ready(cluster, product):  # pylint: disable=unused-argument
    status = cluster.get("daemonset", DAEMONSET, namespace=NAMESPACE)["status"]
    assert status["numberReady"] == status["desiredNumberScheduled"] == len(cluster.nodes)


def test_mesh_is_listed(product):
    listing = product.fsm("mesh", "list").stdout.splitlines()
    assert listing[1].split()[:2] == ["fsm", NAMESPACE] and "ebpf" in listing[1], listing
    assert listing[1].endswith("1/1")


def test_helm_test_passes(cluster, product):  # pylint: disable=unused-argument
    cluster.run(HOME / "bin/helm", "test", "fsm", "--namespace", NAMESPACE, "--timeout", "60s")


# pylint: disable-next=unused-argument
def test_plugin_is_the_last_of_the_chain(cluster, product, conflists_before):
    before = json.loads(conflists_before[CONTROL])
    after = json.loads(cluster.node_file(CONTROL, CONFLIST).read_text())
    assert after["plugins"][:-1] == before["plugins"]
    assert after["plugins"][-1]["type"] == "fsm-cni"
    assert {key: after[key] for key in ("cniVersion", "name")} == \
        {key: before[key] for key in ("cniVersion", "name")}
    assert cluster.node_file(CONTROL, PLUGIN).stat().st_mode & 0o777 == 0o755


def test_data_path_is_pinned_on_the_node(cluster, product):  # pylint: disable=unused-argument
    assert cluster.in_node(CONTROL, "ls", PINS).stdout.split()


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_pods_that_were_there_are_enrolled(cluster, product, veterans, family):
    """Without a restart; their sidecars listened before the install."""
    host = cluster.get("service", "server")["spec"]["clusterIPs"][family]
    destination = f"[{host}]:{SERVICE_PORT}" if family else f"{host}:{SERVICE_PORT}"
    answer = request(cluster, "client", host)
    assert answer.ok
    eventually(lambda: came_through(cluster, "client", "outbound", destination))
    server = cluster.addresses("server")[family]
    inbound = f"[{server}]:8080" if family else f"{server}:8080"
    eventually(lambda: came_through(cluster, "server", "inbound", inbound))
    for pod in veterans:
        assert product.enrolled(CONTROL, pod)
        statuses = cluster.get("pod", pod)["status"]["containerStatuses"]
        assert [status["restartCount"] for status in statuses] == [0, 0]


def test_interceptor_lists_its_pods_for_people(cluster, product, veterans):
    listed = cluster.kubectl("--namespace", NAMESPACE, "exec", product.pod_on(CONTROL), "--",
                             "/app/fsm-interceptor", "pods").stdout
    states = {line.split()[0]: line.split()[1] for line in listed.splitlines()}
    for pod in veterans:
        assert states[f"default/{pod}"] == "in-mesh"


def test_metrics_are_where_prometheus_looks(cluster, product):
    """By the annotations of the pod, as Prometheus discovers its targets."""
    pod = cluster.get("pod", product.pod_on(CONTROL), namespace=NAMESPACE)
    annotations = pod["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == str(METRICS_PORT)
    scraped = cluster.in_node(CONTROL, "curl", "--silent", "--fail", "--max-time", "10",
                              f"http://{pod['status']['podIP']}:{METRICS_PORT}"
                              f"{annotations['prometheus.io/path']}").stdout
    assert re.search(r'^fsm_attachments\{state="in-mesh"\} [1-9]', scraped, re.MULTILINE), scraped


def test_pods_of_the_host_network_are_left_alone(cluster, product):
    name = f"{NAMESPACE}/{product.pod_on(CONTROL)}"
    assert name not in product.pods(CONTROL)
    assert request(cluster, "client", "server").seen == OWN_SOURCE
