"""Every way in which a sidecar may listen, change its listeners, and reload."""

import os
import signal
import time

import pytest

from harness.application import ask
from harness.load import expect_flawless, listening_sockets, start_load
from harness.sidecar import Relay
from harness.wait import eventually


def expect_service(client, server, times=20, families=("v4", "v6", "mapped")):
    for number in range(times):
        family = families[number % len(families)]
        answer = client.call(ask, server.pod.address(family), 8080)
        assert answer["peer"] in ("127.0.0.6", "::1"), (number, family)


@pytest.mark.parametrize("who", ["client", "server"])
def test_one_of_two_workers_closes_and_the_other_serves(mesh, who):
    client, server = mesh.member("client"), mesh.member("server")
    server.serve(8080)
    members = {"client": client, "server": server}
    for name, member in members.items():
        workers = ("--workers", "2", "--worker-kind", "process") if name == who else ()
        member.start_sidecar("relay", *workers)
    expect_service(client, server, 9)
    relay = members[who].relay
    for pid in relay.worker_pids()[:1]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: listening_sockets(members[who], 15001) == 2)  # one per family
    expect_service(client, server)


def test_the_newer_of_two_workers_closes_and_the_older_serves(mesh):
    client, server = mesh.member("client"), mesh.member("server")
    server.serve(8080)
    for member in (client, server):
        member.start_sidecar("relay", "--workers", "2", "--worker-kind", "process")
        os.kill(member.relay.worker_pids()[-1], signal.SIGKILL)
        eventually(lambda pod=member: listening_sockets(pod, 15001) == 2)
    expect_service(client, server)


@pytest.mark.parametrize("listen", ["separate", "dual"])
def test_listeners_of_both_families(mesh, listen):
    client, server = mesh.pair(8080, listen=("--listen", listen))
    expect_service(client, server, 9)
    assert len(server.relay.reports("inbound")) == 9
    assert len(client.relay.reports("outbound")) == 9


def test_ipv6_listener_does_not_take_the_place_of_the_ipv4_one(mesh):
    """In either order of their creation."""
    client, server = mesh.pair(8080, listen=("--listen", "v6"))
    second = server.keep(_second_relay(server, mesh, "v4"))
    third = client.keep(_second_relay(client, mesh, "v4"))
    expect_service(client, server, 9)
    assert len(second.reports("inbound")) == len(third.reports("outbound")) == 6


def _second_relay(member, mesh, listen):
    directory = mesh.interceptor.directory / "second"
    directory.mkdir(exist_ok=True)
    return Relay(member.pod, directory, "--listen", listen)


@pytest.mark.parametrize("inbound", ["sk_lookup", "tc"], indirect=True)
def test_outbound_listener_on_loopback_alone(make_mesh, inbound):
    """As Linkerd's proxy listens."""
    mesh = make_mesh(inbound, profile="linkerd")
    client = mesh.member("client", containers=("app", "linkerd-proxy"), uid=2102)
    server = mesh.outsider("server")
    server.serve(8080, 8081)
    client.start_sidecar("relay", "--loopback-only", outbound=4140, inbound=4143)

    for address in (server.pod.ip4, server.pod.ip6, f"::ffff:{server.pod.ip4}"):
        for port in (8080, 8081):
            assert client.call(ask, address, port)["application"] == "server"

    reports = client.relay.reports("outbound")
    assert len(reports) == 6
    assert {line["getsockname"] for line in reports} == {"127.0.0.1:4140", "[::1]:4140"}


def test_inbound_listener_on_loopback_alone_is_not_one_for_the_pods_address(mesh):
    client, server = mesh.outsider("client"), mesh.member("server")
    server.start_sidecar("relay", "--loopback-only")
    server.serve(8080)
    with pytest.raises(ConnectionRefusedError):
        client.call(ask, server.pod.ip4, 8080)


def test_listeners_that_were_there_before_the_pod_was_enrolled(mesh):
    members = [mesh.member(name, enrol=False) for name in ("client", "server")]
    client, server = members
    for member in members:
        member.start_sidecar()
    server.serve(8080)
    assert client.call(ask, server.pod.ip4, 8080)["peer"] == client.pod.ip4
    for member in members:
        member.enrol()
    expect_service(client, server, 9)


def test_several_workers_that_were_there_before_the_pod_was_enrolled(mesh):
    client, server = mesh.member("client"), mesh.member("server", enrol=False)
    client.start_sidecar()
    server.start_sidecar("relay", "--workers", "3", "--worker-kind", "process")
    server.serve(8080)
    server.enrol()
    for pid in server.relay.worker_pids()[:2]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: listening_sockets(server, 15003) == 2)
    expect_service(client, server, 9)


@pytest.mark.parametrize("sidecar", ["relay", "haproxy"])
def test_sidecars_reload_under_load_without_a_failed_request(mesh, sidecar):
    client, server = mesh.pair(sidecar=sidecar,
                               listen=("--reuse-port",) if sidecar == "relay" else ())
    load = start_load(client, server, requests_per_connection=5)
    for _ in range(2):
        for member in (client, server):
            time.sleep(0.4)
            member.relay.reload()
    expect_flawless(load)
