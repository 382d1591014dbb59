"""Users of the node and of the API server. docs/security.md names these tests."""

import os
import socket

import pytest

from harness.application import ask
from harness.wait import eventually

PORT = 8080


def attempt(function, *arguments):
    try:
        function(*arguments)
        return "done"
    except OSError as error:
        return type(error).__name__


def connect_unix(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(path)


def read_directory(path):
    os.listdir(path)


@pytest.mark.parametrize("inbound", ["sk_lookup"], indirect=True)
def test_local_user_without_root_reaches_nothing_of_ours(mesh):
    """Socket, pins and attachments. Root of the node owns all of them."""
    interceptor = mesh.interceptor
    user = mesh.node.place.as_user(1000)
    pins = interceptor.bpffs / "fsm"
    for function, path in ((connect_unix, interceptor.socket), (read_directory, pins),
                           (read_directory, interceptor.state / "attachments")):
        assert user.call(attempt, function, str(path)) == "PermissionError", path
        assert mesh.node.place.call(attempt, function, str(path)) == "done", path


@pytest.mark.also_iptables
def test_who_may_change_a_running_pods_annotations_takes_it_out_of_the_mesh(mesh):
    """At once, and not only for later pods: the right to patch pods includes this. The pod returns to the
    mesh in the same way."""
    server = mesh.member("server")
    server.start_sidecar()
    server.serve(PORT)
    caller = mesh.outsider("caller")

    def is_intercepted():
        return caller.call(ask, server.pod.ip4, PORT)["peer"] == "127.0.0.6"

    assert is_intercepted()
    server.describe(**{"flomesh.io/sidecar-injection": "disabled"})
    eventually(lambda: not is_intercepted(), 15)
    eventually(lambda: server.state()["state"] == "not-in-mesh")
    server.describe(**{"flomesh.io/sidecar-injection": "enabled"})
    eventually(is_intercepted, 15)
