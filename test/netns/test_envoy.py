"""Envoy as both sidecars, with Istio's listeners."""

import http.client
import os

import pytest

from harness import envoy
from harness.application import ask
from harness.load import check_streams, expect_flawless, start_checking_server, start_load
from harness.mesh import POD_OF
from harness.wait import eventually

OWN_SOURCE = "127.0.0.6"
SCOPES = ["off", "sidecar", "full"]
PORT = 9000
NOBODYS_PORT = 9001


@pytest.fixture(scope="session", name="binary")
def fixture_binary():
    """scripts/test.sh fetches it; without a network the tests are skipped."""
    if not os.environ.get("ENVOY"):
        pytest.skip("there is no Envoy: the variable ENVOY does not name one")
    return os.environ["ENVOY"]


@pytest.fixture(name="mesh")
def fixture_mesh(make_mesh, inbound, acceleration):
    return make_mesh(inbound, acceleration, profile="istio")


@pytest.fixture(name="pair")
def fixture_pair(mesh, binary):
    pair = [mesh.member(name, **POD_OF["istio"]) for name in ("client", "server")]
    for member in pair:
        member.sidecar = member.keep(envoy.Envoy(binary, member.pod, mesh.interceptor.directory,
                                                 member.uid))
    return pair


def noted(member, listener):
    """The only connection that reached the listener."""
    [connection] = eventually(lambda: member.sidecar.connections(listener))
    return connection


def host_of(address):
    return address.rpartition(":")[0]


@pytest.mark.also_iptables
def test_request_goes_through_both(pair):
    client, server = pair
    server.serve(PORT)
    answer = client.call(ask, server.pod.ip4, PORT)
    assert (answer["application"], answer["peer"]) == ("server", OWN_SOURCE)

    destination = f"{server.pod.ip4}:{PORT}"
    outbound, inbound = noted(client, "outbound"), noted(server, "inbound")
    assert outbound["original"] == outbound["upstream"] == destination
    assert inbound["original"] == inbound["upstream"] == destination
    assert host_of(outbound["peer"]) == host_of(inbound["peer"]) == client.pod.ip4
    assert host_of(inbound["source"]) == OWN_SOURCE


@pytest.mark.also_iptables
def test_listener_that_is_bound_to_nothing_gets_its_connections(pair):
    """By the original destination alone, passed on from the listener that gets all connections."""
    client, server = pair
    server.serve(envoy.HTTP_PORT)

    def get():
        connection = http.client.HTTPConnection(server.pod.ip4, envoy.HTTP_PORT, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        finally:
            connection.close()

    # The application does not speak HTTP: Envoy's error proves that the request reached Envoy.
    assert client.call(get) in (502, 503)
    assert noted(client, "http")["original"] == f"{server.pod.ip4}:{envoy.HTTP_PORT}"


@pytest.mark.also_iptables
def test_port_where_nobody_listens_is_told_to_the_sidecar(pair):
    client, server = pair
    with pytest.raises(ConnectionError):
        client.call(ask, server.pod.ip4, NOBODYS_PORT)
    assert noted(server, "inbound")["original"] == f"{server.pod.ip4}:{NOBODYS_PORT}"


@pytest.mark.also_iptables
def test_pod_that_calls_itself_is_left_alone(pair):
    """As by Istio's rules: over the loopback interface, only Envoy's own connections reach Envoy."""
    _, server = pair
    server.serve(PORT)
    assert server.call(ask, server.pod.ip4, PORT)["peer"] == server.pod.ip4
    assert not server.sidecar.connections()


@pytest.mark.also_iptables
def test_call_to_oneself_by_another_name_passes_both_listeners(pair):
    """A call to a service whose only pod is the caller: Envoy's connection to its own pod goes to the
    inbound listener."""
    _, server = pair
    server.serve(PORT)
    own = f"{server.pod.ip4}:{PORT}"
    answer = server.call_as_sidecar(ask, server.pod.ip4, PORT)
    assert answer["peer"] == OWN_SOURCE
    assert noted(server, "inbound")["original"] == own
    assert not server.sidecar.connections("outbound")


@pytest.mark.parametrize("acceleration", SCOPES)
def test_streams_arrive_whole_and_in_order(mesh, pair, acceleration):
    """One after the other: when both ends have half-closed, Envoy may drop data that is in flight, under
    iptables as well."""
    client, server = pair
    start_checking_server(server)
    check_streams(client, server, server.pod.ip4, "--streams", 150, "--parallel", 24,
                  "--max-size", 2 << 20, "--in-turn")
    assert (mesh.interceptor.counters()["message_redirected_bytes"] > 0) == (acceleration != "off")


@pytest.mark.parametrize("acceleration", ["sidecar", "full"])
@pytest.mark.parametrize("requests_per_connection", [0, 1], ids=["keep-alive", "connections"])
def test_no_request_fails(pair, requests_per_connection):
    expect_flawless(start_load(*pair, requests_per_connection, at_least=1000))
