"""A pod of the mesh whose sidecar is down: connections are refused, never passed."""

from applications import IDLE, REFUSED, client, pod, request, server, service
from conftest import CONTROL
from harness.wait import eventually


def test_sidecar_that_does_not_listen(cluster, product, pods):
    """The sidecar listens later, or never: until then no connection leaves or enters."""
    deaf = pod("deaf-server", ["stream", "server", "--address", "0.0.0.0", "--port", "8080"],
               sidecar=IDLE)
    pods.start(client("deaf", sidecar=IDLE), deaf, service("deaf-server"))
    assert product.enrolled(CONTROL, "deaf") and product.enrolled(CONTROL, "deaf-server")
    assert request(cluster, "deaf", "server").exit_code == REFUSED
    inbound = request(cluster, "client", cluster.addresses("deaf-server")[0], 8080)
    # The client's own sidecar accepts the connection and closes it when its own one is refused.
    assert not inbound.ok


def test_sidecar_that_is_killed_comes_back(cluster, product, pods):  # pylint: disable=unused-argument
    pods.start(client("victim"))
    assert eventually(lambda: request(cluster, "victim", "server"))
    cluster.container("victim", "sidecar").kill()

    def restarted():
        statuses = cluster.get("pod", "victim")["status"]["containerStatuses"]
        return any(status["restartCount"] for status in statuses)

    eventually(restarted, timeout=30)
    eventually(lambda: request(cluster, "victim", "server").ok, timeout=30)
