"""GET /v1/connections and `fsm-interceptor connections`: what is open now, in every pod."""

import json
import os
import socket
import subprocess
import threading

import pytest

from harness import programs
from harness.application import Conversation, listen
from harness.load import SERVER_PORT, listening_sockets, start_server
from harness.wait import eventually

PORT = 8080
QUESTION = len(b"who are you?\n")
ECHOED = 100_000
OPEN_AT_ONCE = 1000
LISTS = 10


def open_connections(mesh):
    lines = mesh.interceptor.get_text("/v1/connections").splitlines()
    return [json.loads(line) for line in lines]


def of_pods(mesh, *names):
    """Those with an end in one of the pods, as other tests share the node."""
    wanted = {f"default/{name}" for name in names}
    return [each for each in open_connections(mesh)
            if wanted & {each["client"]["pod"], each["server"]["pod"]}]


def one(connections, **values):
    found = [each for each in connections if values.items() <= each.items()]
    assert len(found) == 1, f"{len(found)} with {values} in {json.dumps(connections, indent=1)}"
    return found[0]


class HeldOpen:
    """A connection of a pod's application that has echoed ECHOED bytes and stays open."""

    def __init__(self, member, address, port=PORT, source=None):
        read, write = os.pipe()
        self._task = member.keep(member.pod.application.spawn(_converse, address, port, source,
                                                             write))
        os.close(write)
        with os.fdopen(read) as ready:
            if ready.read() != "ready":
                self._task.result()

    def close(self):
        self._task.stop()


def _converse(address, port, source, ready):
    with Conversation(address, port, source) as conversation:
        conversation.ask()
        conversation.echo(b"x" * ECHOED)
        os.write(ready, b"ready")
        os.close(ready)
        threading.Event().wait()


def host(endpoint):
    return endpoint.rpartition(":")[0].strip("[]")


@pytest.mark.parametrize("acceleration", ["off", "sidecar", "full"])
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_way_from_application_to_application(mesh, acceleration, family):
    """Three connections lead through the two sidecars: each is there once, with both ends."""
    client, server = mesh.pair(PORT)
    destination = server.pod.address(family)
    HeldOpen(client, destination)

    found = of_pods(mesh, "client", "server")
    assert len(found) == 3, json.dumps(found, indent=1)
    shown = f"[{destination}]:{PORT}" if family == "v6" else f"{destination}:{PORT}"

    outbound = one(found, kind="outbound", state="ESTABLISHED", destination=shown)
    assert outbound["client"]["pod"] == outbound["server"]["pod"] == "default/client"
    assert (outbound["client"]["process"], outbound["server"]["process"]) == (
        "application", "sidecar")
    assert host(outbound["client"]["address"]) == client.pod.address(family)
    assert outbound["server"]["address"].endswith(":15001")
    assert outbound["accelerated"] == (acceleration == "full")

    inbound = one(found, kind="inbound", state="ESTABLISHED", destination=shown)
    assert inbound["client"]["pod"] == "default/client"
    assert inbound["server"]["pod"] == "default/server"
    assert (inbound["client"]["process"], inbound["server"]["process"]) == ("sidecar", "sidecar")
    assert inbound["accelerated"] == (acceleration in ("sidecar", "full"))

    delivered = one(found, kind="plain", state="ESTABLISHED")
    assert delivered["client"]["pod"] == delivered["server"]["pod"] == "default/server"
    assert (delivered["client"]["process"], delivered["server"]["process"]) == (
        "sidecar", "application")
    assert delivered["server"]["address"].endswith(f":{PORT}")
    assert delivered["accelerated"] == (acceleration == "full")

    for each in found:
        assert sum(each["toServer"].values()) == QUESTION + ECHOED, each
        assert sum(each["toClient"].values()) > ECHOED, each
        assert (each["toServer"]["redirected"] > 0) == each["accelerated"], each
        assert each["client"]["unread"] == each["server"]["unread"] == 0, each
        assert 0 <= each["ageSeconds"] < 60, each


def client_command(mesh, *arguments):
    return subprocess.run([programs.INTERCEPTOR, *map(str, arguments), "--config",
                           mesh.interceptor.configuration], capture_output=True, text=True,
                          timeout=60, check=False)


def listed(mesh, *arguments):
    answer = client_command(mesh, "connections", *arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_client_that_is_not_in_the_mesh(mesh):
    server = mesh.member("server")
    server.start_sidecar()
    server.serve(PORT)
    outsider = mesh.outsider("outsider")
    HeldOpen(outsider, server.pod.ip4)

    inbound = one(of_pods(mesh, "server"), kind="inbound", state="ESTABLISHED")
    assert inbound["client"]["process"] == "outside"
    assert host(inbound["client"]["address"]) == outsider.pod.ip4
    assert inbound["destination"] == f"{server.pod.ip4}:{PORT}"
    assert not inbound["accelerated"]
    assert inbound["toServer"] == {"redirected": 0, "tcp": QUESTION + ECHOED}
    assert inbound["toClient"]["tcp"] > ECHOED


def test_two_pods_with_the_same_addresses_and_ports(mesh):
    """Both applications use one address and one port of it: their connections to the sidecars have the
    same addresses and ports, in two network namespaces."""
    shared = ("10.99.0.1", 40000)
    server = mesh.outsider("server")
    server.serve(PORT)
    clients = [mesh.member("twin-a"), mesh.member("twin-b")]
    for client in clients:
        client.start_sidecar()
        client.pod.root.run("ip", "address", "add", f"{shared[0]}/32", "dev", "eth0")
        HeldOpen(client, server.pod.ip4, source=shared)

    outbound = [each for each in of_pods(mesh, "twin-a", "twin-b") if each["kind"] == "outbound"]
    assert len({each["client"]["address"] for each in outbound}) == 1
    assert len({each["server"]["address"] for each in outbound}) == 1
    assert sorted((each["client"]["pod"], each["server"]["pod"]) for each in outbound) == [
        ("default/twin-a", "default/twin-a"), ("default/twin-b", "default/twin-b")]


def test_connection_that_closes(mesh):
    client, server = mesh.pair(PORT)
    held = HeldOpen(client, server.pod.ip4)
    assert any(each["state"] == "ESTABLISHED" for each in of_pods(mesh, "client", "server"))
    held.close()
    eventually(lambda: not [each for each in of_pods(mesh, "client", "server")
                            if each["state"] in ("ESTABLISHED", "CLOSE_WAIT")])


def accept_and_wait(port):
    with listen("::", port) as listener:
        connection, _ = listener.accept()
        with connection:
            threading.Event().wait()


def write_and_shut_down(address, port):
    with Conversation(address, port) as conversation:
        conversation.socket.sendall(b"x" * QUESTION)
        conversation.socket.shutdown(socket.SHUT_WR)
        threading.Event().wait()


def test_bytes_of_a_half_closed_connection_are_without_the_fin(mesh):
    outsider = mesh.outsider("server")
    client = mesh.member("client")
    client.start_sidecar()
    outsider.keep(outsider.pod.root.spawn(accept_and_wait, PORT))
    eventually(lambda: listening_sockets(outsider, PORT))
    client.keep(client.pod.application.spawn(write_and_shut_down, outsider.pod.ip4, PORT))

    def closing():
        [outbound] = [each for each in of_pods(mesh, "client") if each["kind"] == "outbound"]
        assert outbound["state"] == "FIN_WAIT2", outbound
        return outbound

    found = eventually(closing)
    assert found["server"]["state"] == "CLOSE_WAIT"
    assert sum(found["toServer"].values()) == QUESTION
    assert sum(found["toClient"].values()) == 0


def never_read(port, accepted):
    with listen("::", port) as listener:
        connection, _ = listener.accept()
        with connection:
            os.write(accepted, b"x")
            threading.Event().wait()


def test_unread_bytes_are_those_of_the_end_that_does_not_read(mesh):
    server = mesh.member("server")
    server.start_sidecar()
    read, write = os.pipe()
    server.keep(server.pod.application.spawn(never_read, PORT, write))
    eventually(lambda: listening_sockets(server, PORT))
    client = mesh.outsider("client")
    client.keep(client.pod.application.spawn(write_and_shut_down, server.pod.ip4, PORT))
    assert os.read(read, 1) == b"x"
    os.close(read)
    os.close(write)

    def delivered():
        found = one(of_pods(mesh, "server"), kind="plain")
        assert found["server"]["unread"] == QUESTION, found
        return found

    found = eventually(delivered)
    assert found["client"]["unread"] == 0
    by_unread = json.loads(listed(mesh, "--pod", "default/server", "--sort", "unread", "-o",
                                  "json").splitlines()[0])
    assert by_unread["kind"] == "plain"


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_list_is_chosen_and_sorted(mesh):
    client, server = mesh.pair(PORT, PORT + 1)
    HeldOpen(client, server.pod.ip4)
    HeldOpen(client, server.pod.ip6, PORT + 1)

    heading, *rows = listed(mesh, "--pod", "default/client", "--to", server.pod.ip4).splitlines()
    assert heading.split()[0] == "POD"
    assert [row.split()[:2] for row in rows] == [["default/client", "outbound"],
                                                 ["default/client", "inbound"]]
    assert heading.index("STATE") == rows[0].index("ESTABLISHED")
    ports = {json.loads(line)["destination"].rpartition(":")[2]
             for line in listed(mesh, "--pod", "default/client", "--port", PORT + 1, "-o",
                                "json").splitlines()}
    assert ports == {str(PORT + 1)}
    assert listed(mesh, "--pod", "default/client", "--to", "192.0.2.0/24", "-o", "json") == ""
    ages = [json.loads(line)["ageSeconds"] for line in
            listed(mesh, "--pod", "default/client", "--sort", "age", "-o", "json").splitlines()]
    assert len(ages) == 4 and ages == sorted(ages)
    assert "acceleration" in listed(mesh, "--pod", "default/server", "-o", "wide")


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_list_is_printed_again(mesh):
    watching = subprocess.Popen([programs.INTERCEPTOR, "connections", "--watch", "0.2", "--config",
                                 mesh.interceptor.configuration], stdout=subprocess.PIPE, text=True)
    try:
        headings = [line for line in (watching.stdout.readline() for _ in range(3))
                    if line.startswith("POD ")]
        assert headings
    finally:
        watching.kill()
        watching.wait(10)
        watching.stdout.close()


def open_and_close(address):
    while True:
        socket.create_connection((address, SERVER_PORT)).close()


def hold_open(client, address, count):
    start = client.start(programs.STREAM, "hold", "--address", address, "--port", SERVER_PORT,
                         "--count", count, "--processes", 2, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    assert json.loads(start.process.stdout.readline()) == {"opened": count, "failed": 0}
    return start


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("acceleration", ["sidecar"])
def test_thousand_open_connections_are_all_there(mesh, acceleration):
    """With both ends, also while others come and go."""
    client = mesh.member("client")
    server = mesh.outsider("server")
    client.start_sidecar("relay", "--workers", "2")
    start_server(server, SERVER_PORT, "--workers", "2")
    held = hold_open(client, server.pod.ip4, OPEN_AT_ONCE)

    outbound = [each for each in of_pods(mesh, "client") if each["kind"] == "outbound"]
    assert len(outbound) == OPEN_AT_ONCE
    assert len({each["client"]["socketCookie"] for each in outbound}) == OPEN_AT_ONCE
    assert all(each["server"]["pod"] == "default/client" for each in outbound)
    table = listed(mesh, "--pod", "default/client", "--port", SERVER_PORT)
    assert len(table.splitlines()) == 1 + 2 * OPEN_AT_ONCE

    busy = mesh.member("busy")
    busy.start_sidecar()
    busy.keep(busy.pod.application.spawn(open_and_close, server.pod.ip4))
    held_ones = {each["client"]["socketCookie"] for each in outbound}
    for _ in range(LISTS):
        now = open_connections(mesh)
        assert any(each["client"]["pod"] == "default/busy" for each in now)
        assert held_ones <= {each["client"].get("socketCookie") for each in now}
    busy.stop_processes()

    held.process.stdin.close()
    assert json.loads(held.process.stdout.readline()) == {"alive": OPEN_AT_ONCE, "lost": 0}
    eventually(lambda: not [each for each in of_pods(mesh, "client")
                            if each["state"] == "ESTABLISHED"])


def loaded_programs():
    listing = json.loads(subprocess.run(["bpftool", "-j", "prog", "list"], check=True,
                                        capture_output=True).stdout)
    return [program["id"] for program in listing if program.get("name") == "fsm_connections"]


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_iterator_is_in_the_kernel_only_while_a_list_is_made(mesh):
    before = set(loaded_programs())
    open_connections(mesh)
    eventually(lambda: not set(loaded_programs()) - before)
    assert "fsm_connections" not in [each["name"] for each in
                                     mesh.interceptor.get("programs")["programs"]]


def test_disabled_list_says_so(make_mesh):
    mesh = make_mesh("sk_lookup", disabledFeatures=["connections"])
    answer = client_command(mesh, "connections")
    assert answer.returncode == 1
    assert "disabledFeatures" in answer.stderr
    mesh.remove()


def test_mode_iptables_has_no_list(make_mesh):
    mesh = make_mesh("iptables")
    answer = client_command(mesh, "connections")
    assert answer.returncode == 1
    assert "mode ebpf" in answer.stderr
    mesh.remove()
