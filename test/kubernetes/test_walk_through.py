"""docs/walkthrough.md: the project's samples, with HAProxy as their sidecar; and other kinds of pods."""

import re

import pytest

from applications import (IMAGE, OWN_SOURCE, PORT, SERVICE_PORT, came_through, client, request,
                          server, service)
from cluster import PATIENCE
from conftest import CONTROL
from harness import programs
from harness.wait import eventually

DEMO = "demo"
GREETINGS = {f"Hi, this is version {version}. I see you as {OWN_SOURCE}." for version in (1, 2)}


@pytest.fixture(scope="module")
def demo(cluster, product):
    """{name of the app: pod}, of the samples with this machine's programs."""
    manifests = cluster.kubectl("kustomize", programs.REPOSITORY / "manifests/samples").stdout
    manifests = re.sub(r"image: \S+", f"image: {IMAGE}", manifests)
    cluster.kubectl("apply", "--filename", "-", stdin=manifests)
    product.fsm("namespace", "add", DEMO)
    cluster.kubectl("--namespace", DEMO, "wait", "--for", "condition=Available", "deployment",
                    "--all", "--timeout", f"{PATIENCE}s")
    pods = cluster.get("pods", namespace=DEMO)["items"]
    yield {pod["metadata"]["name"].rsplit("-", 2)[0]: pod for pod in pods}
    cluster.kubectl("delete", "namespace", DEMO, "--wait=false")


def greeting(cluster):
    done = cluster.kubectl("--namespace", DEMO, "exec", "deploy/curl", "--container", "app", "--",
                           "curl", "--silent", "--max-time", "5", "http://greeting/", check=False)
    return done.stdout.strip()


def haproxy_saw(cluster, pod, frontend):
    """(peer, original destination) of each connection in a sidecar's log."""
    log = cluster.logs(pod["metadata"]["name"], namespace=DEMO)
    lines = [line.split() for line in log.splitlines()]
    return [(words[1], words[2]) for words in lines if words and words[0] == frontend]


def test_both_versions_greet(cluster, demo):  # pylint: disable=unused-argument
    heard = set()

    def both_heard():
        words = greeting(cluster)
        assert words in GREETINGS, words
        heard.add(words)
        return heard == GREETINGS

    eventually(both_heard, timeout=20)


def test_requests_went_through_both_sidecars(cluster, demo):
    service_ip = cluster.get("service", "greeting", namespace=DEMO)["spec"]["clusterIP"]
    caller = demo["curl"]["status"]["podIP"]
    eventually(lambda: any(
        peer.startswith(f"{caller}:") and told == f"{service_ip}:{SERVICE_PORT}"
        for peer, told in haproxy_saw(cluster, demo["curl"], "outbound")))
    for version in ("greeting-v1", "greeting-v2"):
        own = f"{demo[version]['status']['podIP']}:{PORT}"
        eventually(lambda own=own, version=version: any(
            peer.startswith(f"{caller}:") and told == own
            for peer, told in haproxy_saw(cluster, demo[version], "inbound")))


def test_data_path_counts_the_connections(cluster, product, demo):  # pylint: disable=unused-argument
    before = product.counters(CONTROL)
    assert greeting(cluster) in GREETINGS
    after = product.counters(CONTROL)
    grown = {name for name, value in after.items() if value > before[name]}
    assert any(name.startswith("connect") for name in grown), grown
    assert any(name.startswith("inbound") for name in grown), grown


def test_no_iptables_rule_is_in_a_pod(cluster, demo):
    for pod in demo.values():
        rules = cluster.container(pod["metadata"]["name"], namespace=DEMO).in_network(
            "iptables-save")
        assert [line for line in rules.splitlines() if line.startswith("-A")] == []


def test_ipv6_by_name(cluster, product, pods):  # pylint: disable=unused-argument
    """With the relay, which also queries the original destination of IPv6."""
    pods.start(client("six"), server("greeter6"), service("greeter6"))
    host = cluster.get("service", "greeter6")["spec"]["clusterIPs"][1]
    answer = eventually(lambda: request(cluster, "six", "greeter6", SERVICE_PORT, "--ipv6"))
    assert answer.ok and answer.remote == f"{host}:{SERVICE_PORT}"
    eventually(lambda: came_through(cluster, "six", "outbound", f"[{host}]:{SERVICE_PORT}"))
    own = cluster.addresses("greeter6")[1]
    eventually(lambda: came_through(cluster, "greeter6", "inbound", f"[{own}]:{PORT}"))


def test_pod_without_sidecar_is_left_alone(cluster, product, pods):
    pods.start(client("plain", sidecar=None))
    answer = request(cluster, "plain", "server")
    assert answer.ok and answer.local.startswith(cluster.addresses("plain")[0] + ":")
    assert not product.enrolled(CONTROL, "plain")


def test_native_sidecar_counts(cluster, product, pods):
    """An init container with restartPolicy Always runs beside the application."""
    native = client("native")
    native["spec"]["initContainers"] = [
        {**native["spec"]["containers"].pop(), "restartPolicy": "Always"}]
    pods.start(native)
    assert product.enrolled(CONTROL, "native")
    assert eventually(lambda: request(cluster, "native", "server")).seen == OWN_SOURCE
