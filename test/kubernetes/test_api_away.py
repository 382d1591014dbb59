"""The API server cannot be reached for a while."""

import time

from applications import CURL, OWN_SOURCE, PORT, answer_of, client, request, url
from conftest import CONTROL
from harness.wait import eventually
from product import NAMESPACE

AWAY = 8  # seconds
# A server may end during a handshake; one that has just started does not know the RBAC rules yet,
# and answers 403, or that it is not ready.
CAUSED = (r"(cannot connect|the connection broke|the TLS handshake failed|could not be sent"
          r"|answers (403|429|5\d\d))")


def test_interceptor_that_starts_without_it(cluster, product):
    """The node's pods keep their data path, and stay in the mesh, whatever the interceptor knows."""
    product.expect(CAUSED)
    client_app = cluster.container("client")
    server = cluster.addresses("server")[0]
    interceptor = cluster.container(product.pod_on(CONTROL), "interceptor", namespace=NAMESPACE)
    before = product.ask(CONTROL, "status")["pid"]
    cluster.kill_daemon(CONTROL, "kube-apiserver")
    try:
        interceptor.kill()
        eventually(lambda: product.ask(CONTROL, "status")["pid"] != before, timeout=40)
        assert product.enrolled(CONTROL, "client")
        assert answer_of(client_app.execute(*CURL, url(server, PORT))).seen == OWN_SOURCE
    finally:
        cluster.repair()
    product.wait_rolled_out()
    assert request(cluster, "client", "server").seen == OWN_SOURCE


def test_existing_pods_go_on(cluster, product, pods):
    product.expect(CAUSED)
    container = cluster.container("client")
    server = cluster.addresses("server")[0]
    cluster.kill_daemon(CONTROL, "kube-apiserver")
    try:
        until = time.monotonic() + AWAY
        while time.monotonic() < until:
            answer = answer_of(container.execute(*CURL, url(server, PORT), check=False))
            assert answer.seen == OWN_SOURCE, answer
        assert product.enrolled(CONTROL, "client"), "nothing was forgotten"
    finally:
        cluster.repair()
    pods.start(client("afterwards", node=CONTROL))
    eventually(lambda: product.enrolled(CONTROL, "afterwards"))
    assert eventually(lambda: request(cluster, "afterwards", "server")).seen == OWN_SOURCE

    # The watch works again: it reports a change.
    own = cluster.addresses("client")[0]
    cluster.annotate("server", inbound_port_exclusion_list=PORT)
    try:
        eventually(lambda: request(cluster, "client", server, PORT).seen == own, timeout=40)
    finally:
        cluster.annotate("server", inbound_port_exclusion_list=None)
