"""The pods of the tests: a client, a server, and their sidecars."""

import dataclasses
import json

from harness import programs
from images import program_image

IMAGE = "localhost/fsm-test:1"
PORT = 8080
STREAM_PORT = 8090
SERVICE_PORT = 80
REFUSED = 7  # curl's exit status
OWN_SOURCE = "127.0.0.6"  # the peer of an application behind its sidecar

NGINX = """
daemon off;
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;
events { worker_connections 1000; }
http {
    access_log off;
    default_type text/plain;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 8080;
        listen [::]:8080;
        return 200 "VERSION $remote_addr $server_addr:$server_port\\n";
    }
}
"""

# Both families; it logs a line on standard output for every accepted connection.
RELAY = ["relay", "--report", "-"]
IDLE = ["sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait; done"]


def server_command(version):
    return ["sh", "-c", f"stream server --address 0.0.0.0 --port {STREAM_PORT} & "
                        f"exec nginx -c /etc/test/{version}.conf"]


def test_image(folder):
    return program_image(folder, IMAGE, [
        "/usr/bin/curl", "/usr/sbin/nginx", "/usr/sbin/haproxy", programs.RELAY, programs.STREAM,
    ], {
        "/etc/test/v1.conf": NGINX.replace("VERSION", "v1"),
        "/etc/test/v2.conf": NGINX.replace("VERSION", "v2"),
    })


test_image.__test__ = False


def pod(name, command, sidecar=tuple(RELAY), app=None, node=None, annotations=None, **spec):
    """A pod of an application and, unless `sidecar` is None, its sidecar."""
    containers = [_container("app", command)]
    if sidecar:
        containers.append({**_container("sidecar", list(sidecar)), "securityContext": {
            "runAsUser": 1500, "runAsGroup": 1500, "allowPrivilegeEscalation": False}})
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app or name},
                     "annotations": {f"flomesh.io/{key.replace('_', '-')}": value
                                     for key, value in (annotations or {}).items()}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": containers, **spec},
    }


def _container(name, command):
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": command}


def client(name, **details):
    return pod(name, IDLE, **details)


def server(name, version="v1", **details):
    """Ready once the kubelet's probe has come through its sidecar."""
    made = pod(name, server_command(version), **details)
    made["spec"]["containers"][0]["readinessProbe"] = {
        "httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}
    return made


def service(name):
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ipFamilyPolicy": "RequireDualStack", "selector": {"app": name},
                 "ports": [{"name": "web", "port": SERVICE_PORT, "targetPort": PORT},
                           {"name": "stream", "port": STREAM_PORT}]},
    }


@dataclasses.dataclass
class Answer:
    """The answer to curl in a client's application."""
    exit_code: int
    version: str = ""
    seen: str = ""    # whom the application saw
    local: str = ""   # the client's own end, address and port
    remote: str = ""  # the peer's address as seen by the client

    @property
    def ok(self):
        return self.exit_code == 0

    def __bool__(self):
        """Retried: a service, or a sidecar, may have just started."""
        return self.ok


CURL = ("curl", "--silent", "--max-time", "5", "--write-out",
        "%{local_ip} %{local_port} %{remote_ip} %{remote_port}\n")


def answer_of(done):
    words = done.stdout.split()
    # kubectl and ctr exit with the command's status.
    if done.returncode != 0 or len(words) < 7:
        return Answer(done.returncode or 1)
    version, seen, _, local, local_port, remote, remote_port = words
    return Answer(0, version, seen, f"{local}:{local_port}", f"{remote}:{remote_port}")


def url(host, port=SERVICE_PORT):
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def request(cluster, name, host, port=SERVICE_PORT, *options):
    """One request of a client's application; to the name's IPv4 address unless an option changes that."""
    if "--ipv6" not in options and ":" not in host:
        options += ("--ipv4",)
    return answer_of(cluster.execute(name, *CURL, *options, url(host, port), check=False))


def reports(cluster, name, listener):
    """The original destinations of the connections that a relay accepted."""
    lines = [json.loads(line) for line in cluster.logs(name).splitlines() if line.startswith("{")]
    return [line for line in lines if line["listener"] == listener]


def came_through(cluster, name, listener, destination):
    """Whether the relay of this pod accepted a connection with that original destination."""
    return any(report["original_dst"] == destination
               for report in reports(cluster, name, listener))
