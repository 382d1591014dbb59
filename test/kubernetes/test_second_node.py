"""A node that joins later, and traffic between nodes."""

import pytest

from applications import OWN_SOURCE, PORT, came_through, client, request, server, service
from conftest import CONTROL
from harness.wait import eventually


@pytest.fixture(scope="module")
def far(cluster, product, second_node):
    """A client and a server on the second node."""
    names = ["far-client", "far-server"]
    cluster.apply(client("far-client", node=second_node), server("far-server", node=second_node),
                  service("far-server"))
    cluster.wait_ready(*names)
    for name in names:
        assert product.enrolled(second_node, name)
        assert not product.enrolled(CONTROL, name), "each interceptor has the pods of its node"
    yield names
    cluster.delete_pods(*names)
    cluster.kubectl("delete", "service", "far-server")


@pytest.mark.parametrize("caller, host", [("client", "far-server"), ("far-client", "server"),
                                          ("far-client", "far-server")])
@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_through_both_sidecars(cluster, far, caller, host, family):  # pylint: disable=unused-argument
    address = cluster.get("service", host)["spec"]["clusterIPs"][family]
    answer = eventually(lambda: request(cluster, caller, address))
    assert answer.ok
    if family == 0:
        assert answer.seen == OWN_SOURCE
    bracketed = f"[{address}]" if family else address
    eventually(lambda: came_through(cluster, caller, "outbound", f"{bracketed}:80"))
    own = cluster.addresses(host)[family]
    own = f"[{own}]" if family else own
    eventually(lambda: came_through(cluster, host, "inbound", f"{own}:{PORT}"))
