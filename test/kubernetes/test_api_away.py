"""The API server goes away for a while."""

import time

from applications import CURL, OWN_SOURCE, PORT, answer_of, client, request, url
from conftest import CONTROL
from harness.wait import eventually

AWAY = 8  # seconds


def test_existing_pods_go_on(cluster, product, pods):
    product.expect(r"watch .*: (cannot connect|the connection broke)")
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
    assert request(cluster, "afterwards", "server").seen == OWN_SOURCE

    # The watch is back: it tells about a change.
    own = cluster.addresses("client")[0]
    cluster.annotate("server", inbound_port_exclusion_list=PORT)
    try:
        eventually(lambda: request(cluster, "client", server, PORT).seen == own, timeout=40)
    finally:
        cluster.annotate("server", inbound_port_exclusion_list=None)
