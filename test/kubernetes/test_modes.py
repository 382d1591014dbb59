"""The other two modes: the mesh's iptables rules, and no interception."""

from applications import OWN_SOURCE, came_through, client, request, server, service
from conftest import CONTROL
from harness.wait import eventually
from product import PINS


def rules_in(cluster, pod, command="iptables-save"):
    listing = cluster.container(pod).in_network(command)
    return [line for line in listing.splitlines() if line.startswith("-A")]


def start_pair(cluster, pods, mode):
    names = f"{mode}-client", f"{mode}-server"
    pods.start(client(names[0]), server(names[1]), service(names[1]))
    return names


def test_iptables(cluster, product, pods):
    product.ensure("iptables")
    caller, host = start_pair(cluster, pods, "iptables")
    destination = cluster.get("service", host)["spec"]["clusterIP"]
    answer = eventually(lambda: request(cluster, caller, host))
    assert answer.seen == OWN_SOURCE
    eventually(lambda: came_through(cluster, caller, "outbound", f"{destination}:80"))
    assert any("15003" in rule for rule in rules_in(cluster, host))
    assert any("15001" in rule for rule in rules_in(cluster, caller))


def test_none(cluster, product, pods):
    product.ensure("none")
    caller, host = start_pair(cluster, pods, "none")
    answer = eventually(lambda: request(cluster, caller, host))
    assert answer.seen == cluster.addresses(caller)[0]
    assert rules_in(cluster, host) == []
    assert cluster.in_node(CONTROL, "ls", PINS, check=False).returncode != 0
