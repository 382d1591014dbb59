"""Requests through both sidecars, and what each of the four processes observes."""

import errno
import socket

import pytest

from harness.application import Conversation, ask
from harness.wait import eventually


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def without_port(text):
    return text.rpartition(":")[0].strip("[]")


def connect_and_read(address, port):
    """Connects, which must succeed, and returns how the connection then ends. The end can be faster than
    the detection of the connect."""
    try:
        with Conversation(address, port) as conversation:
            return conversation.socket.recv(1) or "end"
    except ConnectionResetError:
        return "reset"


@pytest.mark.also_iptables
@pytest.mark.parametrize("family", ["v4", "v6", "mapped"])
def test_request_goes_through_both_sidecars(mesh, family):
    client, server = mesh.pair(8080)
    source = client.pod.ip6 if family == "v6" else client.pod.ip4
    target = server.pod.ip6 if family == "v6" else server.pod.ip4

    answer = client.call(ask, server.pod.address(family), 8080)

    assert answer["application"] == "server"
    assert answer["port"] == 8080
    assert answer["peer"] == ("::1" if family == "v6" else "127.0.0.6")
    assert answer["getpeername"] == (server.pod.address(family), 8080)
    assert answer["getsockname"][0] == client.pod.address(family)

    [outbound] = client.relay.reports("outbound")
    assert outbound["original_dst"] == endpoint(target, 8080)
    assert without_port(outbound["accept"]) == source
    assert outbound["getpeername"] == outbound["accept"]
    assert outbound["getsockname"] == endpoint("::1" if family == "v6" else "127.0.0.1", 15001)

    [inbound] = server.relay.reports("inbound")
    assert inbound["original_dst"] == endpoint(target, 8080)
    assert without_port(inbound["accept"]) == source
    assert inbound["getpeername"] == inbound["accept"]
    assert inbound["getsockname"] == endpoint(target, 15003)
    assert client.relay.reports("inbound") == server.relay.reports("outbound") == []


@pytest.mark.also_iptables
@pytest.mark.parametrize("family", ["v4", "v6", "mapped"])
def test_port_without_listener_still_goes_to_the_sidecar(mesh, family):
    client, server = mesh.pair()
    target = server.pod.ip6 if family == "v6" else server.pod.ip4

    # The client's sidecar accepts, whatever happens to its onward connection.
    assert client.call(connect_and_read, server.pod.address(family), 9999) in ("end", "reset")

    [inbound] = server.relay.reports("inbound")
    assert inbound["original_dst"] == endpoint(target, 9999)


@pytest.mark.also_iptables
def test_connection_from_outside_to_the_outbound_port_ends_at_the_inbound_listener(mesh):
    server = mesh.member("server")
    server.start_sidecar()
    outsider = mesh.outsider("outsider")

    outsider.call(connect_and_read, server.pod.ip4, 15001)

    [report] = server.relay.reports()
    assert report["listener"] == "inbound"
    assert report["original_dst"] == endpoint(server.pod.ip4, 15001)


def test_request_goes_through_haproxy_on_both_sides(mesh):
    client, server = mesh.pair(8080, sidecar="haproxy")
    before = mesh.interceptor.counters()

    answer = client.call(ask, server.pod.ip4, 8080)

    assert answer["application"] == "server"
    assert answer["peer"] == "127.0.0.6"
    after = mesh.interceptor.counters()
    assert after["connect_outbound"] == before["connect_outbound"] + 1
    inbound = "inbound_rewritten" if mesh.inbound == "tc" else "inbound_steered"
    assert after[inbound] == before[inbound] + 1


@pytest.mark.also_iptables
def test_two_sockets_of_one_source_port_reach_two_destinations(mesh):
    client, server = mesh.pair(8080)
    other = mesh.outsider("other")
    other.serve(8080)

    def both():
        with Conversation(server.pod.ip4, 8080, ("0.0.0.0", 40001), options=[(1, 15, 1)]) as first:
            with Conversation(other.pod.ip4, 8080, ("0.0.0.0", 40001),
                              options=[(1, 15, 1)]) as second:
                return [first.ask()["application"], second.ask()["application"],
                        first.socket.getsockname(), second.socket.getsockname()]

    own = (client.pod.ip4, 40001)
    assert client.call(both) == ["server", "other", own, own]


def connect_twice(first, second):
    """One blocking socket, two connects, of which the first fails. Returns what it observes of the
    second."""
    conversation = Conversation.__new__(Conversation)
    conversation.socket = socket.socket()
    error = conversation.socket.connect_ex(first)
    conversation.socket.connect(second)
    answer = conversation.ask()
    return (error, answer["application"], answer["peer"], conversation.socket.getpeername(),
            conversation.socket.getsockname()[0])


@pytest.mark.also_iptables
def test_connect_after_one_that_was_not_intercepted(mesh):
    client, server = mesh.pair(8080)
    target = (server.pod.ip4, 8080)
    assert client.call(connect_twice, (client.pod.ip4, 9), target) == (
        errno.ECONNREFUSED, "server", "127.0.0.6", target, client.pod.ip4)


@pytest.mark.also_iptables
def test_connect_that_is_not_intercepted_after_one_that_was(mesh):
    """The socket must not keep any state, including its source address."""
    client = mesh.member("client")  # its sidecar is down: the first connect is refused
    client.serve(8080)
    for address in (client.pod.ip4, "127.0.0.1"):
        assert client.call(connect_twice, ("10.77.200.200", 8080), (address, 8080)) == (
            errno.ECONNREFUSED, "client", address, (address, 8080), address)


@pytest.mark.parametrize("mechanism", ["sk_lookup", "tc"])
def test_mechanism_of_the_configuration_holds_without_an_annotation(make_mesh, mechanism):
    mesh = make_mesh(inbound=mechanism)
    mesh.defaults = {}
    mesh.interceptor.restart(inbound=mechanism, acceleration="off")
    client, server = mesh.pair(8080)

    assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"
    assert server.state()["inbound"] == mechanism
    assert server.state()["acceleration"] == "off"
    assert bool(server.pod.programs_on_interface()) == (mechanism == "tc")


def test_pod_outside_the_mesh_is_left_alone(mesh):
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    other = mesh.outsider("other")
    before = mesh.interceptor.counters()

    answer = other.call(ask, outsider.pod.ip4, 8080)

    assert answer["peer"] == other.pod.ip4
    assert eventually(outsider.state)["state"] == "not-in-mesh"
    after = mesh.interceptor.counters()
    assert after["connect_outbound"] == before["connect_outbound"]
    assert outsider.pod.programs_on_interface() == []
