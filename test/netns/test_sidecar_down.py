"""A sidecar that is down: connections are refused, never passed; IPv6 follows the sidecar's listeners."""

import errno

import pytest

from harness.application import ask, connect_error
from harness.mesh import POD_OF
from harness.wait import eventually

REFUSED = errno.ECONNREFUSED


@pytest.mark.parametrize("inbound", ["sk_lookup", "iptables"], indirect=True)
@pytest.mark.parametrize("when", ["never started", "stopped"])
def test_outbound_is_refused_while_the_sidecar_is_down(mesh, when):
    client = mesh.member("client")
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    if when == "stopped":
        client.start_sidecar()
        assert client.call(ask, outsider.pod.ip4, 8080)
        client.relay.stop()

    assert client.call(connect_error, outsider.pod.ip4, 8080) == REFUSED
    assert client.call(connect_error, f"::ffff:{outsider.pod.ip4}", 8080) == REFUSED
    client.start_sidecar()
    assert client.call(ask, outsider.pod.ip4, 8080)["application"] == "outsider"


@pytest.mark.also_iptables
@pytest.mark.parametrize("when", ["never started", "stopped"])
def test_inbound_is_refused_while_the_sidecar_is_down(mesh, when):
    server = mesh.member("server")
    server.serve(8080)
    outsider = mesh.outsider("outsider")
    if when == "stopped":
        server.start_sidecar()
        assert outsider.call(ask, server.pod.ip4, 8080)
        server.relay.stop()

    assert outsider.call(connect_error, server.pod.ip4, 8080) == REFUSED
    assert outsider.call(connect_error, server.pod.ip4, 9999) == REFUSED
    server.start_sidecar()
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"


@pytest.mark.also_iptables
def test_ipv6_passes_as_long_as_the_sidecar_has_never_listened_on_it(mesh):
    client, server = mesh.pair(8080, listen=("--listen", "v4"))

    answer = client.call(ask, server.pod.ip6, 8080)

    assert answer["peer"] == client.pod.ip6
    assert client.relay.reports() == server.relay.reports() == []
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"


@pytest.mark.also_iptables
def test_ipv6_is_refused_when_the_sidecar_that_listened_on_it_is_down(mesh):
    client, server = mesh.pair(8080)
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    assert client.call(ask, server.pod.ip6, 8080)["peer"] == "::1"
    client.relay.stop()
    server.relay.stop()

    assert client.call(connect_error, outsider.pod.ip6, 8080) == REFUSED
    assert outsider.call(connect_error, server.pod.ip6, 8080) == REFUSED


@pytest.mark.also_iptables
def test_never_intercepted_ipv6_passes_under_a_mesh_that_is_single_stack(make_mesh, inbound):
    mesh = make_mesh(inbound, profile="istio")
    server = mesh.member("server", **POD_OF["istio"])
    server.start_sidecar(inbound=15006)
    server.serve(8080)
    outsider = mesh.outsider("outsider")

    assert outsider.call(ask, server.pod.ip6, 8080)["peer"] == outsider.pod.ip6
    assert outsider.call(ask, server.pod.ip4, 8080)["peer"] == "127.0.0.6"


@pytest.mark.also_iptables
def test_connection_to_a_sidecar_that_comes_up_later_is_served(mesh):
    """Refused, refused, then served: the sequence for a client that polls a starting pod."""
    server = mesh.member("server")
    server.serve(8080)
    outsider = mesh.outsider("outsider")
    assert outsider.call(connect_error, server.pod.ip4, 8080) == REFUSED
    server.start_sidecar()
    assert eventually(lambda: outsider.call(ask, server.pod.ip4, 8080))["peer"] == "127.0.0.6"
