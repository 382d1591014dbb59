"""The state of the tc programs about connections, and when it is removed."""

import errno
import socket
import time

import pytest

from harness.application import Conversation, ask
from harness.wait import eventually

pytestmark = pytest.mark.parametrize("inbound", ["tc"], indirect=True)

REUSE = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
SOURCE_PORT = 41000


def outside_client(mesh):
    return mesh.outsider("client")


def server(mesh, *ports):
    pod = mesh.member("server")
    pod.start_sidecar()
    pod.serve(*ports)
    return pod


def flows_of(mesh, pod):
    return [(key, flow) for key, flow in mesh.interceptor.dump_map("fsm_flows")
            if key[:8] == cookie_of(pod)]


def cookie_of(pod):
    return pod.state()["netnsCookie"].to_bytes(8, "little")


def idle_since(flow):
    return int.from_bytes(flow[40:48], "little")


def test_second_flow_of_one_source_port_waits_until_the_first_is_gone(mesh):
    pod, client = server(mesh, 8080, 8081), outside_client(mesh)
    before = mesh.interceptor.counters()

    def two_flows():
        source = ("0.0.0.0", SOURCE_PORT)
        first = Conversation(pod.pod.ip4, 8080, source, options=REUSE)
        assert first.ask()["port"] == 8080
        try:
            Conversation(pod.pod.ip4, 8081, source, timeout=1.5, options=REUSE).close()
            return "the second was accepted while the first lived"
        except TimeoutError:
            pass
        first.echo()
        # A reset: otherwise TIME_WAIT would keep the client itself from reusing the port.
        first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0] + [0] * 4))
        first.close()
        with Conversation(pod.pod.ip4, 8081, source, options=REUSE) as second:
            return second.ask()["port"]

    assert client.call(two_flows) == 8081
    after = mesh.interceptor.counters()
    assert after["inbound_tuple_taken"] > before["inbound_tuple_taken"]


def test_connection_whose_filters_go_is_reset(mesh):
    """The sidecar's packets would come from a port that the waiting client does not know."""
    pod, client = server(mesh, 8080), outside_client(mesh)
    ready, theirs = socket.socketpair()

    def wait():
        with Conversation(pod.pod.ip4, 8080, timeout=20) as conversation:
            conversation.ask()
            theirs.sendall(b"+")
            try:
                return conversation.socket.recv(1)
            except OSError as error:
                return error.errno

    task = client.keep(client.pod.application.spawn(wait))
    ready.settimeout(10)
    assert ready.recv(1) == b"+"
    cookie = cookie_of(pod)
    pod.withdraw()
    assert task.result() == errno.ECONNRESET
    assert all(key[:8] != cookie for key, _ in mesh.interceptor.dump_map("fsm_flows"))
    ready.close()
    theirs.close()


def test_evicted_flow_of_an_idle_connection_is_recovered(mesh):
    pod, client = server(mesh, 8080), outside_client(mesh)
    before = mesh.interceptor.counters()
    read, write = socket.socketpair()

    def converse():
        with Conversation(pod.pod.ip4, 8080) as conversation:
            conversation.ask()
            read.sendall(b"asked")
            read.recv(1)
            echoed = conversation.echo()
            read.sendall(b"!")
            read.recv(1)
            return echoed

    task = client.keep(client.pod.application.spawn(converse))
    write.settimeout(10)
    assert write.recv(5) == b"asked"
    [(key, _)] = flows_of(mesh, pod)
    mesh.interceptor.delete_map_entry("fsm_flows", key)
    assert not flows_of(mesh, pod)
    write.sendall(b"!")
    assert write.recv(1) == b"!"
    [(_, recovered)] = flows_of(mesh, pod)
    write.sendall(b"!")

    assert idle_since(recovered), "or it stays for ever when its socket ends while it is recovered"
    assert task.result()
    assert mesh.interceptor.counters()["flow_recovered"] > before["flow_recovered"]
    for end in (read, write):
        end.close()


def test_server_that_speaks_first_after_the_flow_was_evicted_is_understood(mesh):
    pod = mesh.member("server")
    pod.start_sidecar()
    client = outside_client(mesh)
    read, write = socket.socketpair()

    def speak_when_told():
        with socket.create_server(("127.0.0.1", 8080)) as listener:
            read.sendall(b"+")
            connection, _ = listener.accept()
            read.sendall(b"!")
            read.recv(1)
            connection.sendall(b"hello")
            return connection.recv(10)

    def listen():
        with Conversation(pod.pod.ip4, 8080) as conversation:
            return conversation.socket.recv(5)

    speaker = pod.keep(pod.pod.application.spawn(speak_when_told))
    write.settimeout(10)
    assert write.recv(1) == b"+"
    listener = client.keep(client.pod.application.spawn(listen))
    assert write.recv(1) == b"!"
    for key, _ in flows_of(mesh, pod):
        mesh.interceptor.delete_map_entry("fsm_flows", key)
    write.sendall(b"!")
    assert listener.result() == b"hello"
    assert speaker.result() == b""
    for end in (read, write):
        end.close()


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_half_closed_connection_stays_open_the_other_way(mesh, pause):
    pod = mesh.member("server")
    pod.start_sidecar()
    client = outside_client(mesh)

    def answer_after_the_end():
        with socket.create_server(("127.0.0.1", 8080)) as listener:
            task_ready.sendall(b"+")
            connection, _ = listener.accept()
            with connection:
                received = b""
                while part := connection.recv(1000):
                    received += part
                time.sleep(pause)
                connection.sendall(received.upper() * 1000)
            return True

    def half_close():
        with Conversation(pod.pod.ip4, 8080, timeout=10) as conversation:
            conversation.socket.sendall(b"question")
            conversation.socket.shutdown(socket.SHUT_WR)
            received = b""
            while part := conversation.socket.recv(1 << 16):
                received += part
            return received

    task_ready, ready = socket.socketpair()
    task = pod.keep(pod.pod.application.spawn(answer_after_the_end))
    assert ready.recv(1) == b"+"
    assert client.call(half_close) == b"QUESTION" * 1000
    assert task.result()


def test_flow_ends_with_its_connection(mesh):
    """The end that closes first stays in TIME_WAIT, and its flow with it, marked."""
    pod, client = server(mesh, 8080), outside_client(mesh)
    client.call(ask, pod.pod.ip4, 8080)
    eventually(lambda: all(idle_since(flow) for _, flow in flows_of(mesh, pod)))


def test_port_of_a_connection_in_time_wait_is_used_again(mesh):
    """The server closes first, so its sidecar's socket is in TIME_WAIT; the client reconnects at once
    from the same port, to the same port and to another one."""
    pod = mesh.member("server")
    pod.start_sidecar()
    client = outside_client(mesh)
    ready, told = socket.socketpair()

    def close_first():
        listeners = [socket.create_server(("127.0.0.1", port)) for port in (8080, 8081)]
        ready.sendall(b"+")
        for number in (0, 0, 1):
            connection, _ = listeners[number].accept()
            connection.sendall(b"%d" % (8080 + number))
            connection.close()
        return True

    def come_back():
        seen = []
        for port in (8080, 8080, 8081):
            with Conversation(pod.pod.ip4, port, ("0.0.0.0", SOURCE_PORT), timeout=10,
                              options=REUSE) as conversation:
                received = b""
                while part := conversation.socket.recv(100):
                    received += part
                seen.append(received.decode())
        return seen

    task = pod.keep(pod.pod.application.spawn(close_first))
    assert told.recv(1) == b"+"
    began = time.monotonic()
    assert client.call(come_back) == ["8080", "8080", "8081"]
    assert time.monotonic() - began < 8, "a SYN was lost on a socket in TIME_WAIT"
    assert task.result()
    marked = [flow for _, flow in flows_of(mesh, pod) if idle_since(flow)]
    assert marked, "no flow is marked as closed though its socket is in TIME_WAIT"


def test_reset_of_a_connection_is_seen_on_the_other_side(mesh):
    pod = mesh.member("server")
    pod.start_sidecar()
    client = outside_client(mesh)
    ready, told = socket.socketpair()

    def wait_for_reset():
        with socket.create_server(("127.0.0.1", 8080)) as listener:
            ready.sendall(b"+")
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                try:
                    return connection.recv(1) or "end"
                except ConnectionResetError:
                    return errno.ECONNRESET

    def send_and_reset():
        conversation = Conversation(pod.pod.ip4, 8080)
        conversation.socket.sendall(b"x")
        time.sleep(0.2)
        conversation.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       bytes([1, 0, 0, 0] + [0] * 4))
        conversation.close()

    task = pod.keep(pod.pod.application.spawn(wait_for_reset))
    assert told.recv(1) == b"+"
    client.call(send_and_reset)
    assert task.result() == errno.ECONNRESET
    eventually(lambda: not [flow for _, flow in flows_of(mesh, pod) if not idle_since(flow)])


def test_closed_flows_are_swept_after_their_time(mesh):
    pod, client = server(mesh, 8080), outside_client(mesh)
    own = bytes(10) + b"\xff\xff" + socket.inet_aton(pod.pod.ip4)
    peer = bytes(10) + b"\xff\xff" + socket.inet_aton(client.pod.ip4)
    port, inbound_port = (60000).to_bytes(2, "big"), (15003).to_bytes(2, "big")
    flow = own + peer + port + inbound_port + (8080).to_bytes(2, "big") + bytes(2)
    young = cookie_of(pod) + (0).to_bytes(4, "little") + bytes(4)
    mesh.interceptor.update_map("fsm_flows", young, flow + time.monotonic_ns().to_bytes(8, "little"))
    old = cookie_of(pod) + (1).to_bytes(4, "little") + bytes(4)
    long_ago = time.monotonic_ns() - 66 * 10**9
    if long_ago <= 0:
        pytest.fail("the machine has been up for less than 66 s")
    mesh.interceptor.update_map("fsm_flows", old, flow + long_ago.to_bytes(8, "little"))

    eventually(lambda: old not in dict(flows_of(mesh, pod)), 15)
    assert young in dict(flows_of(mesh, pod)), "a flow was swept while its time was not over"
    mesh.interceptor.delete_map_entry("fsm_flows", young)
