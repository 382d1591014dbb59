"""The received data equals the sent data, and a slow reader stops its writer: for every scope of
acceleration, checked by a sidecar that never closes with unsent data."""

import pytest

from harness.application import ask
from harness.load import SERVER_PORT, check_streams, run_stream, start_checking_server

SCOPES = ["off", "sidecar", "full"]
# Sockets of one connection through both sidecars that enter the socket map.
ACCELERATED_SOCKETS = {"off": 0, "sidecar": 2, "full": 6}
# Between writer and reader are six sockets with TCP's own buffers and two relays. Under iptables
# the writer blocks at 20 to 60 MB.
MOST_UNREAD = 64 << 20

scopes = pytest.mark.parametrize("acceleration", SCOPES)


def pair_with_stream_server(mesh):
    client, server = mesh.pair()
    start_checking_server(server)
    return client, server


@scopes
def test_scope_says_which_connections_are_accelerated(mesh, acceleration):
    client, server = mesh.pair(8080)
    before = mesh.interceptor.counters()
    client.call(ask, server.pod.ip4, 8080)
    after = mesh.interceptor.counters()
    assert (after["socket_accelerated"] - before["socket_accelerated"]
            == ACCELERATED_SOCKETS[acceleration])
    redirected = after["message_redirected"] - before["message_redirected"]
    assert (redirected > 0) == (acceleration != "off")


def test_connection_that_leaves_the_mesh_does_not_pay_for_acceleration(mesh):
    client = mesh.member("client")
    client.start_sidecar()
    outsider = mesh.outsider("outsider")
    outsider.serve(8080)
    before = mesh.interceptor.counters()
    client.call(ask, outsider.pod.ip4, 8080)
    after = mesh.interceptor.counters()
    for counter in ("socket_accelerated", "message_no_peer"):
        assert after[counter] == before[counter], counter


@scopes
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_streams_arrive_whole_and_in_order(mesh, acceleration, family):
    client, server = pair_with_stream_server(mesh)
    before = mesh.interceptor.counters()

    check_streams(client, server, server.pod.address(family), "--streams", 150, "--parallel", 24,
                  "--max-size", 2 << 20)

    after = mesh.interceptor.counters()
    bytes_redirected = (after["message_redirected_bytes"] - before["message_redirected_bytes"])
    assert (bytes_redirected > 0) == (acceleration != "off")
    if acceleration == "full":
        # Pauses and large streams make a direction switch between redirection and TCP.
        assert after["message_behind_tcp"] > before["message_behind_tcp"]


@scopes
def test_many_fast_streams_arrive_whole(mesh, acceleration):
    client, server = pair_with_stream_server(mesh)
    check_streams(client, server, server.pod.ip4, "--streams", 600, "--parallel", 64, "--max-size",
                  256 << 10, "--no-pauses")


@scopes
def test_reader_that_never_reads_stops_its_writer(mesh, acceleration):
    client, server = pair_with_stream_server(mesh)
    before = mesh.interceptor.counters()

    results = run_stream(client, "never-reads", "--address", server.pod.ip4, "--port", SERVER_PORT,
                         "--limit", 256 << 20, "--quiet-ms", 700, check=False)

    assert results, "the stream tool said nothing"
    assert results[0]["blocked"] and results[0]["written"] < MOST_UNREAD, results
    assert results[1]["arrived"], results
    after = mesh.interceptor.counters()
    if acceleration != "off":
        assert after["message_over_limit"] > before["message_over_limit"]


def test_unread_limit_of_the_configuration_holds(make_mesh):
    """Each of the three connections between writer and reader holds that much, plus TCP's buffers, which
    are kept small here."""
    mesh = make_mesh("sk_lookup", acceleration="full")
    for limit in (16 << 20, 256 << 10):
        mesh.interceptor.restart(unreadLimit=limit)
        client, server = pair_with_stream_server(mesh)
        for member in (client, server):
            member.pod.sysctl("net.ipv4.tcp_rmem=4096 131072 131072",
                              "net.ipv4.tcp_wmem=4096 16384 131072")
        results = run_stream(client, "never-reads", "--address", server.pod.ip4, "--port",
                             SERVER_PORT, "--limit", 512 << 20, "--quiet-ms", 700, check=False)
        assert results and results[0]["blocked"] and results[1]["arrived"], results
        assert 3 * limit < results[0]["written"] < 3 * limit + (2 << 20), results
        mesh.remove()
