"""Which traffic is intercepted: lists, destinations that never are, and the order of the rules."""

import errno
import ipaddress
import socket
import subprocess
import time

import pytest

from harness import programs
from harness.application import Conversation, ask, connect_error
from harness.mesh import POD_OF
from harness.observed import is_intercepted_inbound, is_intercepted_outbound
from harness.packets import answer_to_syn
from harness.wait import eventually

OUTBOUND_PORTS_EXCLUDED = "flomesh.io/outbound-port-exclusion-list"
OUTBOUND_PORTS_INCLUDED = "flomesh.io/outbound-port-inclusion-list"
INBOUND_PORTS_EXCLUDED = "flomesh.io/inbound-port-exclusion-list"
INBOUND_PORTS_INCLUDED = "flomesh.io/inbound-port-inclusion-list"
OUTBOUND_RANGES_EXCLUDED = "flomesh.io/outbound-ip-range-exclusion-list"
OUTBOUND_RANGES_INCLUDED = "flomesh.io/outbound-ip-range-inclusion-list"


def client_of(mesh, annotations):
    client = mesh.member("client", more_annotations=annotations)
    client.start_sidecar()
    return client


def server_of(mesh, annotations, *ports):
    server = mesh.member("server", more_annotations=annotations)
    server.start_sidecar()
    server.serve(*ports)
    return server


# ---- lists ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("annotation, intercepted", [
    ({OUTBOUND_PORTS_EXCLUDED: "8081, 9000"}, {8080: True, 8081: False}),
    ({OUTBOUND_PORTS_INCLUDED: "8081"}, {8080: False, 8081: True}),
    ({OUTBOUND_PORTS_INCLUDED: "8080,8081", OUTBOUND_PORTS_EXCLUDED: "8081"},
     {8080: True, 8081: False, 8082: False}),
    ({OUTBOUND_PORTS_INCLUDED: "*"}, {8080: True}),
], ids=["excluded", "included", "exclusion wins", "everything"])
def test_outbound_port_lists(mesh, annotation, intercepted):
    client = client_of(mesh, annotation)
    server = mesh.outsider("server")
    server.serve(*intercepted)
    for address in (server.pod.ip4, server.pod.ip6):
        assert {port: is_intercepted_outbound(client, address, port)
                for port in intercepted} == intercepted


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("annotation, intercepted", [
    ({OUTBOUND_RANGES_EXCLUDED: "{one4}/32,{one6}/128"}, {"one": False, "two": True}),
    ({OUTBOUND_RANGES_EXCLUDED: "0.0.0.0/0, ::/0"}, {"one": False, "two": False}),
    ({OUTBOUND_RANGES_EXCLUDED: "{pair4}"}, None),
    ({OUTBOUND_RANGES_INCLUDED: "{one4}/32,{one6}/128"}, {"one": True, "two": False}),
    ({OUTBOUND_RANGES_INCLUDED: "10.0.0.0/8,fd00::/8", OUTBOUND_RANGES_EXCLUDED: "{two4},{two6}"},
     {"one": True, "two": False}),
], ids=["excluded", "all excluded", "odd prefix", "included", "exclusion wins"])
def test_outbound_range_lists(mesh, annotation, intercepted):
    servers = {name: mesh.outsider(name) for name in ("one", "two")}
    for server in servers.values():
        server.serve(8080)
    addresses = {name + family: getattr(server.pod, f"ip{family}")
                 for name, server in servers.items() for family in "46"}
    # The two addresses that differ only in the last bit.
    addresses["pair4"] = ipaddress.ip_network(f"{servers['one'].pod.ip4}/31", strict=False)
    client = client_of(mesh, {name: value.format(**addresses)
                              for name, value in annotation.items()})
    if intercepted is None:
        one, two = (int(server.pod.ip4.split(".")[-1]) for server in servers.values())
        assert not is_intercepted_outbound(client, servers["one"].pod.ip4, 8080)
        assert is_intercepted_outbound(client, servers["two"].pod.ip4, 8080) == (
            one // 2 != two // 2)
        return
    for family in ("ip4", "ip6"):
        assert {name: is_intercepted_outbound(client, getattr(server.pod, family), 8080)
                for name, server in servers.items()} == intercepted


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("everything, ip4, ip6", [("::/0", True, False), ("0.0.0.0/0", False, True)])
def test_everything_of_one_family_is_not_everything(mesh, everything, ip4, ip6):
    server = mesh.outsider("server")
    server.serve(8080)
    client = client_of(mesh, {OUTBOUND_RANGES_EXCLUDED: everything})
    assert is_intercepted_outbound(client, server.pod.ip4, 8080) == ip4
    assert is_intercepted_outbound(client, server.pod.ip6, 8080) == ip6


@pytest.mark.also_iptables
@pytest.mark.parametrize("annotation, intercepted", [
    ({INBOUND_PORTS_EXCLUDED: "8081"}, {8080: True, 8081: False}),
    ({INBOUND_PORTS_INCLUDED: "8081"}, {8080: False, 8081: True}),
    ({}, {8080: True, 15000: True, 15010: False, 15901: False, 15904: False}),
], ids=["excluded", "included", "the mesh's own"])
def test_inbound_port_lists(mesh, annotation, intercepted):
    server = server_of(mesh, annotation, *intercepted)
    client = mesh.outsider("client")
    for address in (server.pod.ip4, server.pod.ip6):
        assert {port: is_intercepted_inbound(server, client, address, port)
                for port in intercepted} == intercepted


@pytest.mark.also_iptables
def test_inbound_ranges_are_those_of_the_sources(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="custom")
    near, far = mesh.outsider("near"), mesh.outsider("far")
    server = server_of(mesh, {"example.org/exclude-inbound-ranges": f"{near.pod.ip4}/32"}, 8080)

    assert not is_intercepted_inbound(server, near, server.pod.ip4, 8080)
    assert is_intercepted_inbound(server, far, server.pod.ip4, 8080)
    assert is_intercepted_inbound(server, near, server.pod.ip6, 8080)


@pytest.mark.also_iptables
def test_long_lists_are_not_cut(mesh):
    ports = list(range(20000, 20300))
    server = server_of(mesh, {INBOUND_PORTS_EXCLUDED: ",".join(map(str, ports))}, ports[0],
                       ports[-1], ports[-1] + 1)
    client = mesh.outsider("client")
    assert [is_intercepted_inbound(server, client, server.pod.ip4, port)
            for port in (ports[0], ports[-1], ports[-1] + 1)] == [False, False, True]


ALL_BUT_8888 = "1-8887,8889-65535"


@pytest.mark.also_iptables
def test_wide_ranges_cost_by_range(make_mesh, inbound):
    """A list of 65,534 ports is a few entries, and the first such pod does not fill the map."""
    mesh = make_mesh(inbound, profile="custom", maxPolicyEntries=1000)
    outsider = mesh.outsider("outsider")
    outsider.serve(8887, 8888, 8889)
    for name in ("one", "two", "three"):
        pod = mesh.member(name, more_annotations={
            "example.org/exclude-inbound-ports": ALL_BUT_8888,
            "example.org/exclude-outbound-ports": ALL_BUT_8888})
        pod.start_sidecar()
        pod.serve(8887, 8888, 8889)
        assert [is_intercepted_inbound(pod, outsider, pod.pod.ip4, port)
                for port in (8887, 8888, 8889)] == [False, True, False]
        assert [is_intercepted_outbound(pod, outsider.pod.ip4, port)
                for port in (8887, 8888, 8889)] == [False, True, False]


@pytest.mark.also_iptables
def test_range_of_included_ports(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="custom")
    server = server_of(mesh, {"example.org/include-inbound-ports": "8001-8014"}, 8000, 8001, 8007,
                       8014, 8015)
    client = mesh.outsider("client")
    assert [is_intercepted_inbound(server, client, server.pod.ip4, port)
            for port in (8000, 8001, 8007, 8014, 8015)] == [False, True, True, True, False]


@pytest.mark.also_iptables
def test_changed_annotations_apply_to_new_connections_without_a_restart(mesh):
    client, server = mesh.pair(8080)
    outsider = mesh.outsider("outsider")
    open_one = mesh.outsider("open")
    open_one.serve(8080)

    def hold(address):
        """A connection that was already open, in use all the time."""
        with Conversation(address, 8080) as conversation:
            conversation.ask()
            until = time.monotonic() + 3
            while time.monotonic() < until:
                conversation.echo()
                time.sleep(0.01)
        return True

    held = client.keep(client.pod.application.spawn(hold, server.pod.ip4))
    assert is_intercepted_outbound(client, open_one.pod.ip4, 8080)
    assert is_intercepted_inbound(server, outsider, server.pod.ip4, 8080)

    client.describe(**{OUTBOUND_PORTS_EXCLUDED: "8080"})
    server.describe(**{INBOUND_PORTS_EXCLUDED: "8080"})
    eventually(lambda: not is_intercepted_outbound(client, open_one.pod.ip4, 8080))
    eventually(lambda: not is_intercepted_inbound(server, outsider, server.pod.ip4, 8080))

    client.describe(**{OUTBOUND_PORTS_EXCLUDED: "9999"})
    server.describe(**{INBOUND_PORTS_EXCLUDED: "9999"})
    eventually(lambda: is_intercepted_outbound(client, open_one.pod.ip4, 8080))
    eventually(lambda: is_intercepted_inbound(server, outsider, server.pod.ip4, 8080))
    assert held.result()


@pytest.mark.also_iptables
def test_bad_entry_of_a_list_is_reported_and_the_rest_applies(mesh):
    server = server_of(mesh, {INBOUND_PORTS_EXCLUDED: "8081, eighty, 70000"}, 8080, 8081)
    client = mesh.outsider("client")
    assert is_intercepted_inbound(server, client, server.pod.ip4, 8080)
    assert not is_intercepted_inbound(server, client, server.pod.ip4, 8081)
    problems = " ".join(server.state()["problems"])
    assert "eighty" in problems and "70000" in problems


# ---- destinations that are never intercepted ----


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_application_reaches_its_own_pod_directly(mesh):
    client = client_of(mesh, {})
    client.serve(8080)
    for address in ("127.0.0.1", "127.3.4.5", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::",
                    client.pod.ip4, client.pod.ip6, f"::ffff:{client.pod.ip4}"):
        assert client.call(ask, address, 8080)["application"] == "client", address
    assert client.relay.reports() == []


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("address", ["224.0.0.1", "255.255.255.255", "10.77.255.255", "ff02::1",
                                     "::ffff:224.0.0.1"])
def test_error_of_a_group_address_is_the_kernels_own(mesh, address):
    client = client_of(mesh, {})
    stranger = mesh.stranger("stranger")

    def error():
        try:
            return connect_error(address, 8080, timeout=1)
        except TimeoutError:
            return "timeout"

    expected = stranger.call(error)
    if address == "10.77.255.255":
        # Only the routing table knows the broadcast address of a subnet: also under iptables it is
        # an ordinary destination until the kernel has looked up the route.
        assert expected in (errno.ENETUNREACH, errno.EACCES)
        return
    assert client.call(error) == expected
    assert expected != 0
    assert client.relay.reports() == []


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_socket_bound_to_loopback_is_not_intercepted(mesh):
    client, server = mesh.pair(8080)

    def error():
        return connect_error(server.pod.ip4, 8080, ("127.0.0.1", 0), timeout=1)

    stranger = mesh.stranger("stranger")
    expected = stranger.call(_error_or_timeout, error)
    assert client.call(_error_or_timeout, error) == expected
    assert client.relay.reports() == []


def _error_or_timeout(function):
    try:
        return function()
    except TimeoutError:
        return "timeout"


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_udp_is_not_intercepted(mesh):
    client, server = mesh.pair()

    def echo_once(address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((address, 5353))
            udp.settimeout(10)
            data, peer = udp.recvfrom(100)
            udp.sendto(data, peer)
            return peer[0]

    def send(address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.2)
            udp.connect((address, 5353))
            for _ in range(20):
                try:
                    udp.send(b"question")
                    return udp.recv(100)
                except (TimeoutError, ConnectionRefusedError):
                    pass
            return None

    task = server.keep(server.pod.application.spawn(echo_once, server.pod.ip4))
    assert client.call(send, server.pod.ip4) == b"question"
    assert task.result() == client.pod.ip4


# ---- the sidecar's own calls ----


@pytest.mark.also_iptables
def test_sidecars_call_to_its_own_pod_goes_to_its_inbound_listener(mesh):
    pod = server_of(mesh, {}, 8080)
    for address, seen in ((pod.pod.ip4, pod.pod.ip4), ("127.0.0.2", "127.0.0.2"),
                          (pod.pod.ip6, f"[{pod.pod.ip6}]")):
        before = len(pod.relay.reports())
        answer = pod.call_as_sidecar(ask, address, 8080)
        assert answer["application"] == "server"
        new = pod.relay.reports()[before:]
        assert [(line["listener"], line["original_dst"]) for line in new] == [
            ("inbound", f"{seen}:8080")], address


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
def test_sidecars_calls_to_localhost_and_elsewhere_are_left_alone(mesh):
    pod = server_of(mesh, {}, 8080)
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    assert pod.call_as_sidecar(ask, "127.0.0.1", 8080)["peer"] == "127.0.0.1"
    assert pod.call_as_sidecar(ask, "127.0.0.1", 8080, ("127.0.0.6", 0))["peer"] == "127.0.0.6"
    assert pod.call_as_sidecar(ask, "::1", 8080)["peer"] == "::1"
    assert pod.call_as_sidecar(ask, outsider.pod.ip4, 8080)["peer"] == pod.pod.ip4
    assert pod.relay.reports() == []


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("profile, own_source_is_exempt", [("fsm", False), ("istio", True)])
def test_own_source_reaches_the_pods_address_where_the_mesh_has_that_rule(
        make_mesh, inbound, profile, own_source_is_exempt):
    mesh = make_mesh(inbound, profile=profile)
    pod = mesh.member("server", **POD_OF[profile])
    inbound_port = 15006 if profile == "istio" else 15003
    pod.start_sidecar(inbound=inbound_port)
    pod.serve(8080)

    answer = pod.call_as_sidecar(ask, pod.pod.ip4, 8080, ("127.0.0.6", 0))

    assert answer["application"] == "server"
    assert len(pod.relay.reports("inbound")) == (0 if own_source_is_exempt else 1)


@pytest.mark.also_iptables
@pytest.mark.parametrize("before", ["before the check listens", "while it listens"])
def test_istios_validation_container_is_content(make_mesh, inbound, before):
    mesh = make_mesh(inbound, profile="istio")
    pod = mesh.member("client", **POD_OF["istio"], enrol=False)
    if before.startswith("before"):
        pod.enrol()
    check = pod.keep(_Check(pod))
    if not pod.enrolled:
        eventually(check.listens)
        pod.enrol()
    assert check.result() == '{"valid": true, "listener": 15006, "original_dst_port": 15002}'


def test_istios_validation_container_notices_that_nothing_is_intercepted(make_mesh):
    mesh = make_mesh("sk_lookup", profile="istio")
    pod = mesh.stranger("client")
    check = pod.keep(_Check(pod, uid=POD_OF["istio"]["uid"], seconds=1))
    assert '"valid": false' in check.result()


class _Check:
    """A check like that of Istio's validation container, by the stream tool."""

    def __init__(self, member, uid=None, seconds=5):
        self._place = member.pod.root.as_user(uid or member.uid)
        self._process = self._place.start(programs.STREAM, "validate-istio", "--seconds", seconds,
                                          stdout=subprocess.PIPE, text=True)

    def listens(self):
        return ":15006 " in self._place.as_user(0).run("ss", "-Hltn").stdout

    def result(self):
        output, _ = self._process.communicate(timeout=30)
        return output.strip()

    def stop(self):
        self._process.kill()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.mark.also_iptables
@pytest.mark.parametrize("family, shape", [("v4", "whole"), ("v4", "cut after 8"),
                                           ("v4", "cut after 16"), ("v6", "whole"),
                                           ("v6", "7 headers")])
def test_no_shape_of_a_packet_leads_around_the_sidecar(mesh, family, shape):
    """Only the sidecar's listener accepts on that port: a reset would be the answer of a socket behind
    the sidecar's back. Packets that cannot be steered to the sidecar are dropped."""
    server, outsider = mesh.member("server"), mesh.outsider("outsider")
    server.start_sidecar()
    before = mesh.interceptor.counters()
    answer = outsider.pod.root.call(answer_to_syn, outsider.pod.address(family),
                                    server.pod.address(family), 8099, shape)
    after = mesh.interceptor.counters()
    dropped = after.get("inbound_hidden", 0) - before.get("inbound_hidden", 0)  # not under iptables
    hidden = mesh.inbound == "tc" and shape != "whole"
    assert (answer, dropped > 0) == ((None, True) if hidden else ("SYN-ACK", False))
