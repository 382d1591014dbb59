"""Pods that podman starts through the real CNI chain: bridge, host-local, fsm-cni."""

import time

import pytest

from harness.wait import eventually
from podman_node import APPLICATION_PORT, CommandFailed

DISABLED = {"flomesh.io/sidecar-injection": "disabled"}
REFUSED = 7  # curl's exit status
OWN_SOURCE = "127.0.0.6"  # what an application behind its sidecar sees


def served(answer):
    return answer if answer.exit_code == 0 else None


def meshed_pair(node, pods):
    """A client's name and a server's address, once requests between them work."""
    server = pods.start("server", "server")
    pods.start("client", "client")
    eventually(lambda: served(node.request("client", server)))
    return server


def test_request_goes_through_both_sidecars(node, pods):
    server = meshed_pair(node, pods)
    client = node.address("client")
    answer = node.request("client", server)

    assert answer.seen_by_application == OWN_SOURCE
    assert answer.remote == f"{server}:{APPLICATION_PORT}"
    assert answer.local.startswith(f"{client}:")
    destination = f"{server}:{APPLICATION_PORT}"
    eventually(lambda: (answer.local, destination) in
               node.sidecar_saw("client", "outbound", APPLICATION_PORT))
    inbound = eventually(lambda: node.sidecar_saw("server", "inbound", APPLICATION_PORT))
    assert all(peer.startswith(f"{client}:") and told == destination for peer, told in inbound)


def test_no_iptables_rule_is_involved(node, pods):
    meshed_pair(node, pods)
    for name in ("client", "server"):
        rules = node.in_pod(name, "iptables-save")
        assert [line for line in rules.splitlines() if line.startswith("-A")] == []


def test_port_without_listener_goes_to_the_sidecar(node, pods):
    server = meshed_pair(node, pods)
    answer = node.request("client", server, 9999)
    assert answer.exit_code == 52, "the sidecar accepts, and closes when its application refuses"
    told = eventually(lambda: node.sidecar_saw("server", "inbound", 9999))
    assert told[0][1] == f"{server}:9999"


def test_pod_outside_the_mesh_is_left_alone(node, pods):
    server = pods.start("server", "server", DISABLED)
    pods.start("client", "client", DISABLED)
    answer = eventually(lambda: served(node.request("client", server)))
    assert answer.seen_by_application == node.address("client")
    assert node.sidecar_saw("server", "inbound", APPLICATION_PORT) == []


def test_client_outside_the_mesh_reaches_the_sidecar(node, pods):
    server = pods.start("server", "server")
    pods.start("client", "client", DISABLED)
    answer = eventually(lambda: served(node.request("client", server)))
    assert answer.seen_by_application == OWN_SOURCE


def test_sidecar_of_the_client_down_is_refused(node, pods):
    server = meshed_pair(node, pods)
    node.kill("client-sidecar")
    answer = node.request("client", server)
    assert (answer.exit_code, answer.body) == (REFUSED, "")


def test_sidecar_of_the_server_down_is_refused(node, pods):
    server = pods.start("server", "server")
    pods.start("client", "client", DISABLED)
    eventually(lambda: served(node.request("client", server)))
    node.kill("server-sidecar")
    answer = node.request("client", server)
    assert (answer.exit_code, answer.body) == (REFUSED, "")


def test_excluded_outbound_port_applies_to_new_connections(node, pods):
    server = meshed_pair(node, pods)
    node.write_manifest("client", "client",
                  {"flomesh.io/outbound-port-exclusion-list": str(APPLICATION_PORT)})

    def passes_by():
        client_end = served(node.request("client", server)).local
        # The sidecar logs a connection when it ends.
        time.sleep(0.3)
        seen = node.sidecar_saw("client", "outbound", APPLICATION_PORT)
        return client_end not in [peer for peer, _ in seen]

    eventually(passes_by)


def test_excluded_inbound_port_from_the_start(node, pods):
    server = pods.start("server", "server",
                        {"flomesh.io/inbound-port-exclusion-list": str(APPLICATION_PORT)})
    pods.start("client", "client")
    eventually(lambda: served(node.request("client", server)))
    assert node.request("client", server).seen_by_application == node.address("client")
    assert node.sidecar_saw("server", "inbound", APPLICATION_PORT) == []


@pytest.mark.parametrize("excluded, seen", [("{server}/32", OWN_SOURCE), ("0.0.0.0/0", OWN_SOURCE)])
def test_excluded_outbound_range(node, pods, excluded, seen):
    server = pods.start("server", "server")
    pods.start("client", "client", {
        "flomesh.io/outbound-ip-range-exclusion-list": excluded.format(server=server)})
    answer = eventually(lambda: served(node.request("client", server)))
    assert answer.seen_by_application == seen  # the server's own sidecar is still in the way
    assert node.sidecar_saw("client", "outbound", APPLICATION_PORT) == []


def test_address_of_a_deleted_pod_serves_a_pod_outside_the_mesh(node, pods):
    server = meshed_pair(node, pods)
    pods.remove("server")
    assert pods.start("plain", "server", DISABLED, ["--ip", server]) == server
    # The bridge plugin does not announce the address: for half a minute the client would use the
    # old MAC.
    node.in_pod("client", "ip", "neigh", "flush", "dev", "eth0")
    answer = eventually(lambda: served(node.request("client", server)))
    assert answer.seen_by_application == node.address("client")


def test_deleted_pods_are_forgotten(node, pods):
    meshed_pair(node, pods)
    assert node.enrolled() == {"client", "server"}
    pods.remove("client")
    pods.remove("server")
    assert node.interceptor.pods() == []


def test_killed_interceptor_changes_nothing_for_its_pods(node, pods):
    server = meshed_pair(node, pods)
    node.interceptor.kill()
    try:
        for _ in range(5):
            assert node.request("client", server).seen_by_application == OWN_SOURCE
    finally:
        node.interceptor.start()
    assert node.request("client", server).seen_by_application == OWN_SOURCE
    assert node.enrolled() == {"client", "server"}


def test_without_the_interceptor_no_pod_starts(node, pods):
    node.interceptor.stop()
    try:
        with pytest.raises(CommandFailed) as failed:
            pods.start("server", "server")
        assert str(node.interceptor.socket) in str(failed.value), "it says what it could not reach"
        pods.remove_all()
    finally:
        node.interceptor.start()
    meshed_pair(node, pods)


def test_pod_deleted_while_the_interceptor_is_away_is_forgotten(node, pods):
    meshed_pair(node, pods)
    node.interceptor.stop()
    try:
        pods.remove("server")
    finally:
        node.interceptor.start()
    eventually(lambda: node.enrolled() == {"client"})
