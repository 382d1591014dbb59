"""Attempts to reach a pod of the mesh from outside past its sidecar: by a pod of another tenant on the
node, with every right in its own namespace. docs/security.md names these tests."""

import contextlib
import errno
import re
import socket

import pytest

from harness import packets
from harness.application import connect_error, listen
from harness.mesh import IPTABLES
from harness.node import Node
from harness.wait import eventually

PORT = 8099  # no socket listens there; intercepted connections reach the sidecar
OUTBOUND_PORT, INBOUND_PORT = 15001, 15003
# The sidecar may have closed it before the caller checks, because its onward connection is refused.
ACCEPTED = (0, errno.ECONNRESET)


@pytest.fixture
def server(mesh):
    member = mesh.member("server")
    member.start_sidecar()
    return member


@pytest.fixture
def attacker(mesh):
    return mesh.outsider("attacker")


@contextlib.contextmanager
def answers_counted(pod):
    """The answer of the pod's kernel, to any address: {"SYN-ACK": …} if a socket listens, {"RST": …} if
    none does, and so not the sidecar, which listens for every port."""
    flags = {"SYN-ACK": "SYN,ACK", "RST": "RST"}
    ports = ("-m", "multiport", "--source-ports", f"{PORT},{INBOUND_PORT}")
    rules = [(table, "OUTPUT", "!", "-d", node, "-p", "tcp", *ports, "--tcp-flags", value, value)
             for table, node in (("iptables", Node.GATEWAY4), ("ip6tables", Node.GATEWAY6))
             for value in flags.values()]
    for table, *rule in rules:
        pod.root.run(table, "-I", *rule)
    counted = {}
    try:
        yield counted
        for table in ("iptables", "ip6tables"):
            listed = pod.root.run(table, "-S", "OUTPUT", "-v").stdout
            for name, value in flags.items():
                [count] = re.findall(rf"--tcp-flags {value} {value} .*-c (\d+)", listed)
                counted[name] = counted.get(name, 0) + int(count)
    finally:
        for table, *rule in rules:
            pod.root.run(table, "-D", *rule)


# ---- the sidecar's own ports ----


@pytest.mark.also_iptables
@pytest.mark.parametrize("port", [OUTBOUND_PORT, INBOUND_PORT])
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_ports_of_the_sidecar_lead_to_its_inbound_listener(server, attacker, family, port):
    """The sidecar gets the requested port as the original destination: the outbound listener would be an
    open proxy."""
    address = server.pod.address(family)
    assert attacker.call(connect_error, address, port) in ACCEPTED
    [report] = eventually(server.relay.reports)
    shown = f"[{address}]" if family == "v6" else address
    assert (report["listener"], report["original_dst"]) == ("inbound", f"{shown}:{port}")


# ---- spoofed sources ----


@pytest.mark.also_iptables
@pytest.mark.parametrize("source", ["own4", "own6", "127.0.0.1", "127.0.0.6", "::1", "neighbour"])
def test_spoofed_source_leads_to_the_sidecar_or_nowhere(mesh, server, attacker, source):
    """Sources that the rules exempt when they come from the pod itself. With sk_lookup, an IPv6 SYN from
    the pod's own address cannot be distinguished from the pod's own: see the next test."""
    neighbour = mesh.outsider("neighbour")
    spoofed = {"own4": server.pod.ip4, "own6": server.pod.ip6,
               "neighbour": neighbour.pod.ip4}.get(source, source)
    destination = server.pod.ip6 if ":" in spoofed else server.pod.ip4
    with answers_counted(server.pod) as answers:
        for _ in range(3):
            attacker.pod.root.call(packets.send_frame, spoofed, destination, PORT, destination)
        eventually_quiet(server)
    is_past_the_sidecar = answers["RST"] > 0 and answers["SYN-ACK"] == 0
    assert is_past_the_sidecar == ((source, mesh.inbound) == ("own6", "sk_lookup")), answers
    if source == "neighbour":
        assert answers["SYN-ACK"] > 0, "nothing has arrived: the test would notice nothing"


@pytest.mark.also_iptables
def test_syn_from_the_pods_own_ipv6_address_is_no_connection(server, attacker):
    """The kernel accepts it (for IPv4 it drops it), and answers the pod itself: the connection is never
    accepted."""
    ours, theirs = socket.socketpair()

    def accept():
        with listen("::", PORT) as listener:
            theirs.sendall(b"+")
            listener.settimeout(1.5)
            try:
                listener.accept()
                return "accepted"
            except TimeoutError:
                return "nothing"

    task = server.keep(server.pod.application.spawn(accept))
    assert ours.recv(1) == b"+"
    own = server.pod.ip6
    for _ in range(3):
        attacker.pod.root.call(packets.send_frame, own, own, PORT, own)
    assert task.result() == "nothing"
    assert server.relay.reports() == []
    ours.close()
    theirs.close()


@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("tags", [0, 1, 2, 3])
def test_tags_of_no_vlan_do_not_lead_past_the_sidecar(mesh, server, attacker, family, tags):
    """The kernel delivers the packet as if it had none. Of several tags tc sees but the second one, and
    drops the packet."""
    source, destination = ((attacker.pod.ip6, server.pod.ip6) if family == "v6"
                           else (attacker.pod.ip4, server.pod.ip4))
    with answers_counted(server.pod) as answers:
        for _ in range(3):
            attacker.pod.root.call(packets.send_frame, source, destination, PORT, destination, tags)
        eventually_quiet(server)
    assert answers["RST"] == 0, "answered past the sidecar"
    assert (answers["SYN-ACK"] > 0) == (tags < 2 or mesh.inbound != "tc")


def eventually_quiet(server):
    """All earlier packets have been answered, because a later connection from elsewhere has."""
    assert server.pod.node.place.call(connect_error, server.pod.ip4, PORT + 1) in ACCEPTED


# ---- loopback from outside ----


@pytest.mark.also_iptables
@pytest.mark.parametrize("destination", ["127.0.0.1", "127.0.0.6", "::1"])
@pytest.mark.parametrize("route_localnet", [0, 1])
def test_loopback_of_a_pod_is_not_to_be_reached_from_outside(mesh, server, attacker, destination,
                                                            route_localnet):
    """A namespace inherits route_localnet from the node, where kube-proxy sets it; with it the kernel
    delivers to 127.0.0.1 what a neighbour on the link sends there."""
    server.pod.sysctl(f"net.ipv4.conf.all.route_localnet={route_localnet}")
    source, link = ((attacker.pod.ip6, server.pod.ip6) if ":" in destination
                    else (attacker.pod.ip4, server.pod.ip4))
    with answers_counted(server.pod) as answers:
        for _ in range(3):
            attacker.pod.root.call(packets.send_frame, source, destination, PORT, link)
        eventually_quiet(server)
    assert answers["RST"] == 0, "answered past the sidecar"
    # iptables redirects before the kernel checks the address.
    delivered = ":" not in destination and (route_localnet or mesh.inbound == IPTABLES)
    assert (answers["SYN-ACK"] > 0) == bool(delivered)
