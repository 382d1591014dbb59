"""A node that the DaemonSet no longer selects, without being deleted, and that returns to it."""

import re

import pytest

from applications import SERVICE_PORT, came_through, client, request
from cluster import PATIENCE
from conftest import CONTROL
from harness import programs
from harness.wait import eventually
from product import CONFLIST, IMAGE, PINS, PLUGIN, TAG

POOL = "fsm-test-pool"


@pytest.fixture(name="chosen", scope="module")
def chosen_fixture(cluster, product, second_node):
    """The DaemonSet selects its nodes by a label, which both have."""
    nodes = (CONTROL, second_node)
    for node in nodes:
        cluster.label(node, **{POOL: "mesh"})
    product.upgrade(f"fsm.fsmInterceptor.nodeSelector.{POOL}=mesh")
    yield second_node
    for node in nodes:
        cluster.label(node, **{POOL: "mesh"})
    product.upgrade(f"fsm.fsmInterceptor.nodeSelector.{POOL}=null")
    for node in nodes:
        cluster.label(node, **{POOL: None})
        assert product.is_in_chain(node)


def has_left(cluster, product, node, conflists_before):
    """No interceptor, and the chain as before the install."""
    return (not product.pod_on(node) and not cluster.node_file(node, PLUGIN).exists()
            and cluster.node_file(node, CONFLIST).read_bytes() == conflists_before[node])


def has_come_back(product, node):
    return product.pod_on(node) and product.is_in_chain(node)


def test_node_that_loses_its_label(cluster, product, chosen, conflists_before, pods):
    """Running pods stay intercepted; new ones start, without waiting for an interceptor."""
    pods.start(client("leaver", node=chosen))
    assert product.enrolled(chosen, "leaver")
    cluster.label(chosen, **{POOL: None})
    eventually(lambda: has_left(cluster, product, chosen, conflists_before), timeout=PATIENCE)
    pods.start(client("plain", sidecar=None, node=chosen), client("newcomer", node=chosen))
    destination = cluster.get("service", "server")["spec"]["clusterIP"]
    assert eventually(lambda: request(cluster, "leaver", "server"))
    eventually(lambda: came_through(cluster, "leaver", "outbound", f"{destination}:{SERVICE_PORT}"))
    assert eventually(lambda: request(cluster, "newcomer", "server"))
    assert not came_through(cluster, "newcomer", "outbound", f"{destination}:{SERVICE_PORT}")
    assert product.is_in_chain(CONTROL) and product.enrolled(CONTROL, "client")

    cluster.label(chosen, **{POOL: "mesh"})
    eventually(lambda: has_come_back(product, chosen), timeout=PATIENCE)
    product.wait_rolled_out()
    product.wait_enrolled(chosen, "leaver", "newcomer")


def test_selector_that_does_not_choose_the_node_any_more(cluster, product, chosen, conflists_before):
    """The other node is upgraded at the same time, and loses nothing. If no pod of the mesh runs on a
    node, nothing stays."""
    assert not [name for name in product.pods(chosen) if product.enrolled(chosen, name)]
    cluster.label(CONTROL, **{POOL: "inner"})
    product.upgrade(f"fsm.fsmInterceptor.nodeSelector.{POOL}=inner")
    eventually(lambda: has_left(cluster, product, chosen, conflists_before), timeout=PATIENCE)
    eventually(lambda: cluster.in_node(chosen, "find", "/sys/fs/bpf", "/run", "-maxdepth", "1",
                                       "-mindepth", "1", "-name", "fsm*").stdout == "",
               timeout=PATIENCE)
    assert cluster.in_node(CONTROL, "ls", PINS).stdout.split()
    assert product.is_in_chain(CONTROL) and product.enrolled(CONTROL, "client")
    cluster.label(CONTROL, **{POOL: "mesh"})
    product.upgrade(f"fsm.fsmInterceptor.nodeSelector.{POOL}=mesh")
    eventually(lambda: has_come_back(product, chosen), timeout=PATIENCE)


def words_of_the_readme(node):
    """The command for a node whose interceptor is gone for good, as typed by an operator."""
    text = (programs.REPOSITORY / "charts/fsm/README.md").read_text()
    command = re.search(r"^kubectl debug node/NODE (?:.*\\\n)*.*$", text, re.MULTILINE)[0]
    return command.replace("\\\n", " ").replace("NODE", node).replace("IMAGE", f"{IMAGE}:{TAG}").split()[1:]


def test_node_whose_interceptor_is_gone_for_good(cluster, product, chosen, conflists_before, pods):
    """The node starts no pod until the entry is removed by hand."""
    files = [cluster.node_file(chosen, path) for path in (PLUGIN, CONFLIST)]
    contents = [file.read_bytes() for file in files]
    cluster.label(chosen, **{POOL: None})
    eventually(lambda: has_left(cluster, product, chosen, conflists_before), timeout=PATIENCE)
    # As if it had been killed before it could clean up.
    for file, content in zip(files, contents):
        file.write_bytes(content)
    files[0].chmod(0o755)
    pods.start(client("stuck", sidecar=None, node=chosen), ready=False)
    eventually(lambda: [each for each in cluster.events("stuck") if "fsm-cni" in each["message"]],
               timeout=PATIENCE)
    try:
        cluster.kubectl(*words_of_the_readme(chosen))
        cluster.wait_ready("stuck")
        eventually(lambda: has_left(cluster, product, chosen, conflists_before), timeout=PATIENCE)
    finally:
        helpers = [each["metadata"]["name"] for each in cluster.get("pods")["items"]
                   if each["metadata"]["name"].startswith("node-debugger-")]
        cluster.delete_pods(*helpers)
        cluster.label(chosen, **{POOL: "mesh"})
    eventually(lambda: has_come_back(product, chosen), timeout=PATIENCE)
    product.wait_rolled_out()
