"""A minimal API server over TLS: lists, watches and single objects of pods and of the interceptor's
DaemonSet, and events that it accepts."""

import http.server
import json
import ssl
import subprocess
import threading
import urllib.parse

import yaml

DAEMON_SET = "/apis/apps/v1/namespaces/fsm-system/daemonsets/fsm-interceptor"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # clients go away


def _handler_of(api):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def send_json(self, status, thing):
            body = json.dumps(thing).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query)
            kind = url.path.rsplit("/", 1)[-1]
            if "watch" in query:
                return self.watch(kind, int(query["resourceVersion"][0]))
            with api.lock:
                if kind in ("pods", "daemonsets"):
                    items = [thing for path, thing in api.objects.items()
                             if path.split("/")[-2] == kind]
                    return self.send_json(200, {
                        "kind": "List", "items": items,
                        "metadata": {"resourceVersion": str(api.version)}})
                thing = api.objects.get(url.path)
            if thing:
                return self.send_json(200, thing)
            return self.send_json(404, {"kind": "Status", "code": 404, "reason": "NotFound",
                                        "message": "not found"})

        def watch(self, kind, version):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.close_connection = True
            server = api.server
            while api.server is server:
                with api.lock:
                    api.lock.wait(0.1)
                    news = [change for change in api.changes
                            if change[0] > version and change[1].split("/")[-2] == kind]
                for version, _, event in news:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with api.lock:
                api.events.append(json.loads(body))
            self.send_json(201, {})

    return Handler


class ApiServer:
    """Serves lists, watches and single objects of pods and of the interceptor's DaemonSet, and accepts
    events."""

    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.Condition()
        self.objects = {}  # path of the object -> object
        self.changes = []  # (version, path, event)
        self.version = 1
        self.events = []
        self.server = None
        self.port = 0
        names = "subjectAltName=IP:127.0.0.1"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=api", "-addext", names, "-days", "2",
             "-keyout", directory / "api.key", "-out", directory / "api.crt"],
            check=True, capture_output=True)
        self.put(DAEMON_SET, {"kind": "DaemonSet", "metadata": {
            "name": "fsm-interceptor", "namespace": "fsm-system"}})
        self.start()

    def kubeconfig(self):
        path = self.directory / "kubeconfig"
        path.write_text(yaml.safe_dump({
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{self.port}",
                "certificate-authority": "api.crt"}}],
            "users": [{"name": "test", "user": {"token": "secret"}}]}))
        return str(path)

    def put(self, path, thing):
        with self.lock:
            self.version += 1
            thing = json.loads(json.dumps(thing))
            thing["metadata"]["resourceVersion"] = str(self.version)
            kind = "MODIFIED" if path in self.objects else "ADDED"
            self.objects[path] = thing
            self.changes.append((self.version, path, {"type": kind, "object": thing}))
            self.lock.notify_all()

    def delete(self, path):
        with self.lock:
            self.version += 1
            thing = self.objects.pop(path)
            thing["metadata"]["resourceVersion"] = str(self.version)
            self.changes.append((self.version, path, {"type": "DELETED", "object": thing}))
            self.lock.notify_all()

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "api.crt", self.directory / "api.key")
        server = _Server(("127.0.0.1", self.port), _handler_of(self))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        self.server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()
