"""Whatever program listens on the socket, the plugin answers in time, with one error object, and never
with a result."""

import subprocess
import threading
import time

import pytest

from interceptor import Interceptor

RESULT = '{"cniVersion":"1.1.0"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def send_slowly(connection, data, pause):
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(pause)


def flood(connection, head):
    connection.sendall(head)
    while True:
        connection.sendall(b"x" * 65536)


# After the request was read: name, the server's action, the error code.
HOSTILE = {
    "closes": (lambda c: None, 11),
    "closes in the head": (lambda c: c.sendall(OK[:20]), 11),
    "closes in the body": (lambda c: c.sendall(OK[:-1]), 11),
    "speaks another protocol": (lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), 5),
    "sends zeros": (lambda c: c.sendall(b"\0" * 4096), 5),
    "has a bad status": (lambda c: c.sendall(b"HTTP/1.1 OK 200\r\n\r\n"), 5),
    "has a bad length": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"),
                         5),
    "has a huge length": (
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), 5),
    "has a bad chunk": (
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 5),
    "floods the head": (lambda c: flood(c, b"HTTP/1.1 200 OK\r\nX: "), 5),
    "floods the body": (lambda c: flood(c, b"HTTP/1.1 200 OK\r\n\r\n"), 5),
    "says 200 without ok": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\nwelcome"), 5),
    "redirects": (lambda c: c.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), 100),
    "is silent": (lambda c: time.sleep(3), 11),
    "drips": (lambda c: send_slowly(c, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, 0.05), 11),
}


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_add_fails_in_time(runtime, behaviour):
    act, code = HOSTILE[behaviour]

    def behave(connection):
        interceptor.receive(connection)
        act(connection)

    with Interceptor(runtime.socket, behave=behave) as interceptor:
        answer = runtime.call("ADD", runtime.config(RESULT, timeout_ms=500))
    answer.expect_error(code)
    assert answer.seconds < 2
    assert runtime.notes == []


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_del_leaves_a_note_in_time(runtime, behaviour):
    act, _ = HOSTILE[behaviour]

    def behave(connection):
        interceptor.receive(connection)
        act(connection)

    with Interceptor(runtime.socket, behave=behave) as interceptor:
        answer = runtime.call("DEL", runtime.config(timeout_ms=500))
    answer.expect_silence()
    assert answer.seconds < 2
    assert [note["ContainerID"] for note in runtime.notes] == ["c0ffee"]


@pytest.mark.parametrize("answer", [
    OK,
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.0 200 OK\r\n\r\nok\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
])
def test_takes_whatever_http_allows_in_whatever_pieces(runtime, answer):
    def behave(connection):
        interceptor.receive(connection)
        send_slowly(connection, answer, 0.001)

    with Interceptor(runtime.socket, behave=behave) as interceptor:
        runtime.call("ADD", runtime.config(RESULT)).expect_result(RESULT)


def test_the_time_limit_is_one_for_all_steps(runtime):
    """Waiting for stdin counts, too."""
    with Interceptor(runtime.socket, behave=lambda connection: time.sleep(3)):
        process = subprocess.Popen(
            [runtime.binary], env={**runtime.environment, "CNI_COMMAND": "ADD"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begin = time.monotonic()
        time.sleep(0.8)
        output, _ = process.communicate(runtime.config(RESULT, timeout_ms=1000).encode(),
                                        timeout=10)
    assert b'"code":11' in output
    assert time.monotonic() - begin < 1.5


def test_a_hundred_at_once_are_all_served(runtime):
    answers = []

    def add(number):
        answers.append(runtime.call("ADD", runtime.config(RESULT),
                                    environment={"CNI_CONTAINERID": f"c{number}"}))

    with Interceptor(runtime.socket) as interceptor:
        threads = [threading.Thread(target=add, args=(number,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answer.status for answer in answers] == [0] * 100
    assert {request.json["ContainerID"] for request in interceptor.requests} == {
        f"c{number}" for number in range(100)}
