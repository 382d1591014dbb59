"""Socket calls of an application that the kernel changes on sockets in a socket map.

With `off` and `sidecar` no socket of an application is in one, and everything works as without us.
With `full` each call does what the interceptor has found out about the kernel by trying: these tests
state the kernel's behaviour, so that a change of it is noticed.
"""

import array
import ctypes
import fcntl
import os
import select
import socket
import termios
import threading
import time

import pytest

from harness.application import Conversation

SIZE = 4000
# The configuration's default.
UNREAD_LIMIT = 1 << 20
MOMENT = 0.3
PORT = 8085

_libc = ctypes.CDLL(None, use_errno=True)


# Each of these runs in the server's application with an accepted connection, while the client does
# what the name after `client_` says. True: as with TCP.


def fionread_is_right(connection):
    connection.sendall(b"go")
    time.sleep(MOMENT)
    waiting = array.array("i", [0])
    fcntl.ioctl(connection, termios.FIONREAD, waiting)
    return waiting[0] == SIZE


def splice_moves_everything(connection):
    connection.sendall(b"go")
    time.sleep(MOMENT)
    connection.setblocking(False)
    read, write = os.pipe()
    try:
        return os.splice(connection.fileno(), write, SIZE) == SIZE
    except BlockingIOError:
        return False
    finally:
        os.close(read)
        os.close(write)


def blocking_read_survives_a_writer(connection):
    """The reader's thread is woken when there is room to write again."""
    outcome = []

    def read():
        try:
            outcome.append(connection.recv(10))
        except OSError as error:
            outcome.append(error)

    connection.settimeout(None)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(0.1)
    connection.sendall(bytes(32 << 20))
    time.sleep(MOMENT)
    if outcome:
        return False
    connection.sendall(b"last")
    reader.join(10)
    return outcome == [b"answer"]


def low_water_mark_is_honoured(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2 * SIZE)
    connection.sendall(b"go")
    readable, _, _ = select.select([connection], [], [], 2 * MOMENT)
    return not readable


def short_read_empties(connection):
    """An edge-triggered reader that reads until a short read, as epoll(7) allows. TCP data follows
    redirected data, and no edge is left for it after that has been read."""
    connection.setblocking(False)
    received = 0
    with select.epoll() as edges:
        edges.register(connection, select.EPOLLIN | select.EPOLLET)
        connection.sendall(b"go")
        time.sleep(3 * MOMENT)
        while received < UNREAD_LIMIT + SIZE:
            if not edges.poll(2):
                return False
            received += _read_until_short(connection)
    return True


def _read_until_short(connection, size=60_000):
    """`size` is not a divisor of UNREAD_LIMIT."""
    received = 0
    while True:
        try:
            count = len(connection.recv(size))
        except BlockingIOError:
            return received
        received += count
        if count < size:
            return received


def truncating_read_discards(connection):
    connection.sendall(b"go")
    time.sleep(MOMENT)
    connection.setblocking(True)
    return _libc.recv(connection.fileno(), None, SIZE,
                      socket.MSG_TRUNC | socket.MSG_DONTWAIT) == SIZE


def blocking_read_ends_with_the_reset(connection):
    connection.settimeout(None)
    connection.sendall(b"go")
    try:
        while connection.recv(10):
            pass
        return False
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def client_sends(conversation):
    conversation.socket.recv(2)
    conversation.socket.sendall(bytes(SIZE))
    conversation.socket.recv(1)


def client_sends_past_the_limit(conversation):
    """Up to the limit everything is redirected, however the sidecar divides it."""
    conversation.socket.recv(2)
    conversation.socket.sendall(bytes(UNREAD_LIMIT))
    time.sleep(MOMENT)
    conversation.socket.sendall(bytes(SIZE))
    conversation.socket.recv(1)


def client_takes_and_answers(conversation):
    received = bytearray()
    while not received.endswith(b"last"):
        time.sleep(0.0005)
        received = received[-4:] + conversation.socket.recv(1 << 20)
    conversation.socket.sendall(b"answer")
    conversation.socket.recv(1)


def client_resets(conversation):
    conversation.socket.recv(2)
    time.sleep(MOMENT)
    conversation.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   bytes([1, 0, 0, 0] + [0] * 4))


CALLS = {
    "FIONREAD of redirected data": (fionread_is_right, client_sends),
    "splice of redirected data": (splice_moves_everything, client_sends),
    "blocking read beside a writing thread": (blocking_read_survives_a_writer,
                                              client_takes_and_answers),
    "SO_RCVLOWAT": (low_water_mark_is_honoured, client_sends),
    "short read empties the socket": (short_read_empties, client_sends_past_the_limit),
    "MSG_TRUNC": (truncating_read_discards, client_sends),
    "reset": (blocking_read_ends_with_the_reset, client_resets),
}


def observe(client, server, in_server, in_client):
    """The server's observation of the connection that the client opens."""
    told, ready = socket.socketpair()

    def serve():
        with socket.create_server(("127.0.0.1", PORT)) as listener:
            ready.sendall(b"+")
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(20)
                return in_server(connection)

    def converse(address):
        with Conversation(address, PORT, timeout=20) as conversation:
            in_client(conversation)

    serving = server.keep(server.pod.application.spawn(serve))
    assert told.recv(1) == b"+"
    conversing = client.keep(client.pod.application.spawn(converse, server.pod.ip4))
    try:
        return serving.result(40)
    finally:
        conversing.stop()
        told.close()
        ready.close()


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("acceleration", ["off", "sidecar", "full"])
@pytest.mark.parametrize("name", CALLS)
def test_socket_call_of_an_application(mesh, acceleration, name):
    client, server = mesh.pair()
    expected = acceleration != "full" or mesh.interceptor.works(name)
    assert observe(client, server, *CALLS[name]) == expected


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("acceleration", ["off", "sidecar", "full"])
def test_close_with_unread_data(mesh, acceleration):
    """TCP answers it with a reset. Redirected data is lost without one: the kernel's behaviour."""
    client, server = mesh.pair()
    told, tell = socket.socketpair()

    def close_with_unread(connection):
        connection.sendall(b"go")
        time.sleep(MOMENT)
        connection.close()
        time.sleep(MOMENT)
        return True

    def send_and_wait(conversation):
        conversation.socket.recv(2)
        conversation.socket.sendall(bytes(SIZE))
        try:
            tell.sendall(b"end" if conversation.socket.recv(1) == b"" else b"data")
        except ConnectionResetError:
            tell.sendall(b"reset")

    observe(client, server, close_with_unread, send_and_wait)
    told.settimeout(5)
    seen = told.recv(10)
    assert seen == (b"end" if acceleration == "full" else b"reset")
    told.close()
    tell.close()


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
@pytest.mark.parametrize("acceleration", ["off", "sidecar", "full"])
def test_server_that_speaks_first_and_client_that_only_listens(mesh, acceleration):
    client, server = mesh.pair()
    told, tell = socket.socketpair()

    def speak(connection):
        connection.sendall(b"welcome")
        return connection.recv(1) == b""

    def listen(conversation):
        tell.sendall(conversation.socket.recv(10))

    assert observe(client, server, speak, listen)
    assert told.recv(10) == b"welcome"
    told.close()
    tell.close()
