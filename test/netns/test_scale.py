"""Many connections: open at once, one after the other, failing; and what they leave."""

import json
import subprocess

import pytest

from harness import programs
from harness.load import SERVER_PORT, run_stream, start_server
from harness.wait import eventually

# One loopback address has this many source ports for connections to one port (ip_local_port_range).
EPHEMERAL_PORTS = 28232
OPEN_AT_ONCE = 30000
FAILING = 200_000
SUCCEEDING = 100_000


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("listener", ["wildcard", "loopback"])
def test_more_connections_than_ports_open_at_once(make_mesh, inbound, listener):
    """A connection takes two descriptors of the sidecar, and a process may have 20,000."""
    mesh = make_mesh(inbound, acceleration="sidecar")
    client = mesh.member("client")
    server = mesh.outsider("server")
    client.start_sidecar("relay", "--workers", "5", "--worker-kind", "process",
                         *(("--loopback-only",) if listener == "loopback" else ()))
    # From the sidecar to the server the pod's own ports are the limit: one server port is not
    # enough.
    start_server(server, f"{SERVER_PORT}-{SERVER_PORT + 3}", "--workers", "4")

    hold = client.start(programs.STREAM, "hold", "--address", server.pod.ip4, "--port",
                        f"{SERVER_PORT}-{SERVER_PORT + 3}", "--count", OPEN_AT_ONCE, "--processes",
                        4, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True).process
    assert json.loads(hold.stdout.readline()) == {"opened": OPEN_AT_ONCE, "failed": 0}
    assert OPEN_AT_ONCE > EPHEMERAL_PORTS
    hold.stdin.close()
    assert json.loads(hold.stdout.readline()) == {"alive": OPEN_AT_ONCE, "lost": 0}
    assert hold.wait(30) == 0


def settled(mesh, before):
    """No map has more entries than before; entries of connections that just closed get some time."""
    def compare():
        now = mesh.interceptor.map_entries()
        grown = {name: (before[name], count) for name, count in now.items()
                 if count > before[name]}
        assert not grown, f"maps that grew (before, now): {grown}"
        return True
    eventually(compare, 15)


def test_connects_that_fail_leave_nothing_behind(make_mesh):
    mesh = make_mesh("sk_lookup", acceleration="full")
    client = mesh.member("client")
    server = mesh.outsider("server")
    before = mesh.interceptor.map_entries()

    [result] = run_stream(client, "connects", "--address", server.pod.ip4, "--port", SERVER_PORT,
                          "--count", FAILING, "--concurrency", 64)

    assert (result["refused"], result["success"], result["other"]) == (FAILING, 0, 0), result
    settled(mesh, before)


def test_inbound_connects_that_fail_leave_nothing_behind(make_mesh, inbound):
    """Under tc every SYN creates an entry before it is known that no socket listens."""
    mesh = make_mesh(inbound, acceleration="full")
    server = mesh.member("server")
    client = mesh.outsider("client")
    before = mesh.interceptor.map_entries()

    [result] = run_stream(client, "connects", "--address", server.pod.ip4, "--port", SERVER_PORT,
                          "--count", 20_000, "--concurrency", 64)

    assert (result["refused"], result["success"], result["other"]) == (20_000, 0, 0), result
    age_closed_flows(mesh)
    settled(mesh, before)


@pytest.mark.parametrize("scope", ["sidecar", "full"])
def test_connections_leave_nothing_behind(make_mesh, inbound, scope):
    """Half of them for each scope: together they are the 100,000 of each mechanism."""
    count = SUCCEEDING // 2
    mesh = make_mesh(inbound, acceleration=scope)
    client, server = mesh.pair()
    # Otherwise ports in TIME_WAIT would be the limit, under iptables as well.
    client.pod.sysctl("net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=16384 65535")
    start_server(server)
    run_stream(client, "connects", "--address", server.pod.ip4, "--port", SERVER_PORT, "--count",
               10, "--size", 100)
    before = mesh.interceptor.map_entries()
    before["fsm_flows"] = 0

    [result] = run_stream(client, "connects", "--address", server.pod.ip4, "--port", SERVER_PORT,
                          "--count", count, "--concurrency", 32, "--size", 100, timeout=600)

    assert result["success"] == count, result
    assert result["other"] == result["refused"] == 0, result
    age_closed_flows(mesh)
    settled(mesh, before)


def age_closed_flows(mesh):
    """A flow in TIME_WAIT stays for 65 s. Instead of waiting, mark it as closed long ago; a flow that was
    not marked as closed then stays, and is detected."""
    flows = eventually_closed(mesh)
    for key, flow in flows:
        mesh.interceptor.update_map("fsm_flows", key, flow[:40] + (1).to_bytes(8, "little"))


def eventually_closed(mesh):
    def all_closed():
        flows = mesh.interceptor.dump_map("fsm_flows")
        living = [key for key, flow in flows if not int.from_bytes(flow[40:48], "little")]
        assert not living, f"{len(living)} of {len(flows)} flows are not marked as closed"
        return flows or [()]
    flows = eventually(all_closed, 5)
    return [] if flows == [()] else flows
