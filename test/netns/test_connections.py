"""GET /v1/connections and `fsm-interceptor connections`: what is open now, in every pod."""

import json
import os
import subprocess
import threading

import pytest

from harness import programs
from harness.application import Conversation
from harness.load import SERVER_PORT, start_server
from harness.wait import eventually

PORT = 8080
QUESTION = len(b"who are you?\n")
ECHOED = 100_000


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
