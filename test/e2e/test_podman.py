"""Pods that podman starts through the real CNI chain: bridge, host-local, fsm-cni."""

import signal

import pytest

from podman_node import APPLICATION_PORT, CommandFailed, wait_for

DISABLED = {"flomesh.io/sidecar-injection": "disabled"}
OWN_SOURCE = "127.0.0.6"  # what an application behind its sidecar sees


def meshed_pair(node, pods):
    """A client's name and a server's address, when requests between them work."""
    server = pods.start("server", "server")
    pods.start("client", "client")
    wait_for(lambda: node.request("client", server).exit_code == 0, "a first request to succeed")
    return server


def test_request_goes_through_both_sidecars(node, pods):
    server = meshed_pair(node, pods)
    client = node.address("client")
    answer = node.request("client", server)

    assert answer.seen_by_application == OWN_SOURCE
    assert answer.remote == f"{server}:{APPLICATION_PORT}"
    assert answer.local.startswith(f"{client}:")
    outbound = wait_for(lambda: node.sidecar_saw("client", "outbound", APPLICATION_PORT), "a log")
    inbound = wait_for(lambda: node.sidecar_saw("server", "inbound", APPLICATION_PORT), "a log")
    destination = f"{server}:{APPLICATION_PORT}"
    assert (answer.local, destination) in outbound
    assert all(peer.startswith(f"{client}:") and told == destination for peer, told in inbound)


def test_no_iptables_rule_is_involved(node, pods):
    meshed_pair(node, pods)
    for name in ("client", "server"):
        rules = node.in_pod(name, "iptables-save").stdout
        assert [line for line in rules.splitlines() if line.startswith("-A")] == []


def test_port_without_listener_goes_to_the_sidecar(node, pods):
    server = meshed_pair(node, pods)
    answer = node.request("client", server, 9999)
    assert answer.exit_code == 52, "the sidecar accepts, and closes when its application refuses"
    told = wait_for(lambda: node.sidecar_saw("server", "inbound", 9999), "the sidecar's log")
    assert told[0][1] == f"{server}:9999"


def test_pod_outside_the_mesh_is_left_alone(node, pods):
    server = pods.start("server", "server", DISABLED)
    pods.start("client", "client", DISABLED)
    answer = wait_for(lambda: node.request("client", server), "an answer")
    assert answer.seen_by_application == node.address("client")
    assert node.sidecar_saw("server", "inbound", APPLICATION_PORT) == []


def test_client_outside_the_mesh_reaches_the_sidecar(node, pods):
    server = pods.start("server", "server")
    pods.start("client", "client", DISABLED)
    answer = wait_for(lambda: node.request("client", server), "an answer")
    assert answer.seen_by_application == OWN_SOURCE


def test_sidecar_of_the_client_down_is_refused(node, pods):
    server = meshed_pair(node, pods)
    node.podman("kill", "client-sidecar")
    answer = wait_for(lambda: refused(node.request("client", server)), "a refusal")
    assert answer.exit_code == 7 and answer.body == ""


def test_sidecar_of_the_server_down_is_refused(node, pods):
    server = pods.start("server", "server")
    pods.start("client", "client", DISABLED)
    wait_for(lambda: node.request("client", server).exit_code == 0, "a first request to succeed")
    node.podman("kill", "server-sidecar")
    answer = wait_for(lambda: refused(node.request("client", server)), "a refusal")
    assert answer.exit_code == 7 and answer.body == ""


def refused(answer):
    assert answer.exit_code != 0, "a request went around the sidecar"
    return answer if answer.exit_code == 7 else None


def test_excluded_outbound_port_applies_to_new_connections(node, pods):
    server = meshed_pair(node, pods)
    before = len(node.sidecar_saw("client", "outbound", APPLICATION_PORT))
    node.manifest("client", "client",
                  {"flomesh.io/outbound-port-exclusion-list": str(APPLICATION_PORT)})

    def passes_by():
        count = len(node.sidecar_saw("client", "outbound", APPLICATION_PORT))
        assert node.request("client", server).exit_code == 0
        return len(node.sidecar_saw("client", "outbound", APPLICATION_PORT)) == count

    wait_for(passes_by, "a request that passes the client's sidecar by")
    assert len(node.sidecar_saw("client", "outbound", APPLICATION_PORT)) >= before


def test_excluded_inbound_port_from_the_start(node, pods):
    server = pods.start("server", "server",
                        {"flomesh.io/inbound-port-exclusion-list": str(APPLICATION_PORT)})
    pods.start("client", "client")
    wait_for(lambda: node.request("client", server).exit_code == 0, "a first request to succeed")
    assert node.request("client", server).seen_by_application == node.address("client")
    assert node.sidecar_saw("server", "inbound", APPLICATION_PORT) == []


@pytest.mark.parametrize("excluded, seen", [("{server}/32", OWN_SOURCE), ("0.0.0.0/0", OWN_SOURCE)])
def test_excluded_outbound_range(node, pods, excluded, seen):
    server = pods.start("server", "server")
    pods.start("client", "client", {
        "flomesh.io/outbound-ip-range-exclusion-list": excluded.format(server=server)})
    answer = wait_for(lambda: node.request("client", server), "an answer")
    assert answer.seen_by_application == seen  # the server's own sidecar is still in the way
    assert node.sidecar_saw("client", "outbound", APPLICATION_PORT) == []


def test_address_of_a_deleted_pod_serves_a_pod_outside_the_mesh(node, pods):
    server = meshed_pair(node, pods)
    pods.remove("server")
    manifest = node.manifest("plain", "server", DISABLED)
    try:
        node.podman("play", "kube", "--quiet", "--network", "fsm-e2e", "--ip", server, manifest)
        answer = wait_for(lambda: served(node.request("client", server)), "the new pod to answer")
        assert answer.seen_by_application == node.address("client")
    finally:
        node.remove_pod("plain")
        node.remove_manifest("plain")


def served(answer):
    return answer if answer.exit_code == 0 else None


def test_deleted_pods_are_forgotten(node, pods):
    meshed_pair(node, pods)
    assert {"client", "server"} <= set(pod_names(node))
    pods.remove("client")
    pods.remove("server")
    assert pod_names(node) == []


def pod_names(node):
    answer = node.get("/v1/pods")
    listed = answer["pods"] if isinstance(answer, dict) else answer
    return sorted(each["name"] for each in listed)


def test_killed_interceptor_changes_nothing_for_its_pods(node, pods):
    server = meshed_pair(node, pods)
    node.stop_interceptor(signal.SIGKILL)
    try:
        for _ in range(5):
            assert node.request("client", server).seen_by_application == OWN_SOURCE
    finally:
        node.start_interceptor()
    assert node.request("client", server).seen_by_application == OWN_SOURCE
    assert {"client", "server"} <= set(pod_names(node))


def test_without_the_interceptor_no_pod_starts(node, pods):
    node.stop_interceptor()
    try:
        with pytest.raises(CommandFailed) as failed:
            pods.start("server", "server")
        assert "fsm-cni.sock" in str(failed.value), "the error says what could not be reached"
        pods.remove_all()
    finally:
        node.start_interceptor()
    meshed_pair(node, pods)


def test_pod_deleted_while_the_interceptor_is_away_is_forgotten(node, pods):
    meshed_pair(node, pods)
    node.stop_interceptor()
    try:
        pods.remove("server")
    finally:
        node.start_interceptor()
    wait_for(lambda: pod_names(node) == ["client"], "the interceptor to forget the pod")
