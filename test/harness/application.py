"""An application that reports its own and its peer's address, and a client for it.

The client sends a line, the application answers with one line of JSON, and echoes everything after
it. The functions run inside a pod (see place.py).
"""

import contextlib
import json
import os
import socket
import threading



class Application:
    """Listens on ports of a pod, for both families."""

    def __init__(self, pod, *ports, name=None, address="::", place=None):
        place = place or pod.application
        read, write = os.pipe()
        self._task = place.spawn(_serve, name or pod.name, address, ports, write)
        os.close(write)
        with os.fdopen(read) as ready:
            if ready.read() != "ready":
                self._task.result()

    def stop(self):
        self._task.stop()


def _serve(name, address, ports, ready):
    listeners = [listen(address, port) for port in ports]
    for listener in listeners:
        threading.Thread(target=_accept, args=(name, listener), daemon=True).start()
    os.write(ready, b"ready")
    os.close(ready)
    threading.Event().wait()


def listen(address, port, backlog=1024):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


def _accept(name, listener):
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=_answer, args=(name, connection, peer), daemon=True).start()


def _answer(name, connection, peer):
    with connection:
        try:
            if not _read_line(connection):
                return
            port = connection.getsockname()[1]
            connection.sendall(json.dumps({"application": name, "port": port,
                                           "peer": plain(peer[0])}).encode() + b"\n")
            while data := connection.recv(1 << 16):
                connection.sendall(data)
        except OSError:
            pass  # the client reports its own failure


def _read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1)
        if not part:
            return None
        line += part
    return line.decode()


def plain(address):
    """An address without the prefix of mapped ones."""
    return address.removeprefix("::ffff:")


class Conversation:
    """A client's connection to an Application. For use inside a pod."""

    def __init__(self, address, port, source=None, timeout=5, options=()):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        for option in options:
            self.socket.setsockopt(*option)
        if source:
            self.socket.bind(source)
        self.socket.connect((address, port))

    def ask(self):
        self.socket.sendall(b"who are you?\n")
        answer = _read_line(self.socket)
        if answer is None:
            raise ConnectionResetError("the connection ended before an answer came")
        return json.loads(answer)

    def echo(self, data=b"once more"):
        self.socket.sendall(data)
        received = b""
        while len(received) < len(data):
            part = self.socket.recv(1 << 16)
            if not part:
                raise ConnectionResetError("the connection ended within an echo")
            received += part
        assert received == data
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(address, port, source=None, timeout=5):
    """One request. Returns the answer, and the client's own socket addresses."""
    with Conversation(address, port, source, timeout) as conversation:
        answer = conversation.ask()
        answer["getpeername"] = conversation.socket.getpeername()[:2]
        answer["getsockname"] = conversation.socket.getsockname()[:2]
        return answer


def connect_error(address, port, source=None, timeout=5):
    """The errno of a connect, 0 when it succeeds. A timeout is raised."""
    try:
        Conversation(address, port, source, timeout).close()
        return 0
    except TimeoutError:
        raise
    except OSError as error:
        return error.errno


@contextlib.contextmanager
def handshakes_held(pod, interface):
    """Connections of the pod through that interface start, but never complete: the answers to their SYNs
    are dropped until this ends."""
    rule = ("INPUT", "-i", interface, "-p", "tcp", "--tcp-flags", "SYN,ACK", "SYN,ACK", "-j", "DROP")
    pod.root.run("iptables", "-A", *rule)
    try:
        yield
    finally:
        pod.root.run("iptables", "-D", *rule)
