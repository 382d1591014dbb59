"""A client and two versions of a server behind HAProxy, new in a cluster with the data path."""

import pytest

from applications import (HAPROXY, OWN_SOURCE, PORT, SERVICE_PORT, came_through, client, request,
                          server, service)
from conftest import CONTROL
from harness.wait import eventually


@pytest.fixture(scope="module")
def shop(cluster, product):  # pylint: disable=unused-argument
    """Two versions behind one service, each behind one of its own as well."""
    objects = [client("curl", sidecar=HAPROXY), service("greeter")]
    for version in ("v1", "v2"):
        made = server(f"greeter-{version}", version=version, sidecar=HAPROXY, app="greeter")
        objects.append(made)
    cluster.apply(*objects)
    names = ["curl", "greeter-v1", "greeter-v2"]
    cluster.wait_ready(*names)
    yield names
    cluster.delete_pods(*names)
    cluster.kubectl("delete", "service", "greeter")


def haproxy_saw(cluster, name, frontend):
    """(peer, original destination) of each connection that HAProxy logged."""
    lines = [line.split() for line in cluster.logs(name).splitlines()]
    return [(words[1], words[2]) for words in lines if words and words[0] == frontend]


def test_both_versions_answer_through_both_sidecars(cluster, shop):  # pylint: disable=unused-argument
    versions = set()
    for _ in range(30):
        answer = request(cluster, "curl", "greeter")
        assert answer.ok and answer.seen == OWN_SOURCE, answer
        versions.add(answer.version)
        if versions == {"v1", "v2"}:
            break
    assert versions == {"v1", "v2"}

    destination = f"{cluster.get('service', 'greeter')['spec']['clusterIP']}:{SERVICE_PORT}"
    assert answer.remote == destination, "the client believes to talk to the service itself"
    eventually(lambda: (answer.local, destination) in haproxy_saw(cluster, "curl", "outbound"))
    caller = cluster.addresses("curl")[0]
    for version in ("v1", "v2"):
        own = f"{cluster.addresses(f'greeter-{version}')[0]}:{PORT}"
        eventually(lambda own=own, version=version: any(
            peer.startswith(f"{caller}:") and told == own
            for peer, told in haproxy_saw(cluster, f"greeter-{version}", "inbound")))


def test_data_path_counts_the_connections(cluster, product, shop):  # pylint: disable=unused-argument
    before = product.counters(CONTROL)
    request(cluster, "curl", "greeter")
    after = product.counters(CONTROL)
    grown = {name for name, value in after.items() if value > before[name]}
    assert any(name.startswith("connect") for name in grown), grown
    assert any(name.startswith("inbound") for name in grown), grown


def test_no_iptables_rule_is_in_a_pod(cluster, shop):
    for name in shop:
        rules = cluster.container(name).in_network("iptables-save")
        assert [line for line in rules.splitlines() if line.startswith("-A")] == []


def test_ipv6_by_name(cluster, product, pods):  # pylint: disable=unused-argument
    """With the relay, which asks for the original destination of IPv6 as well."""
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
    """An init container that is restarted always runs beside the application."""
    native = client("native")
    native["spec"]["initContainers"] = [
        {**native["spec"]["containers"].pop(), "restartPolicy": "Always"}]
    pods.start(native)
    assert product.enrolled(CONTROL, "native")
    assert request(cluster, "native", "server").seen == OWN_SOURCE
