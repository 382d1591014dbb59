"""A minimal interceptor: it listens on a Unix socket and does what a test scripts."""

import base64
import json
import socketserver
import threading


class Request:
    def __init__(self, head, body):
        self.method, self.target, _ = head.split("\r\n")[0].split(" ")
        self.json = json.loads(body) if body else None

    @property
    def stdin(self):
        return base64.b64decode(self.json["StdinData"], validate=True)


class Interceptor:
    """`behave` gets the connected socket (and must answer); without it, `answer` is sent."""

    def __init__(self, path, answer=b"ok", status=200, behave=None):
        self.path = str(path)
        self.requests = []
        self._behave = behave or self._answer_with(status, answer)
        interceptor = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                interceptor._behave(self.request)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                pass  # several tests disconnect their clients

        self._server = Server(self.path, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def receive(self, connection):
        """Reads one request and records it."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(connection)
        head, body = data.split(b"\r\n\r\n", 1)
        head = head.decode()
        length = 0
        for line in head.split("\r\n")[1:]:
            name, value = line.split(":", 1)
            if name.lower() == "content-length":
                length = int(value)
        while len(body) < length:
            body += self._more(connection)
        self.requests.append(Request(head, body))

    @staticmethod
    def _more(connection):
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("the client has closed")
        return data

    def _answer_with(self, status, answer):
        def behave(connection):
            self.receive(connection)
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (status, len(answer), answer))
        return behave
