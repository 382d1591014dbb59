"""The last tests: no warning without a cause was logged, and nothing stays."""

from applications import request
from cluster import PATIENCE
from conftest import CONTROL
from harness.wait import eventually
from product import CONFLIST, DAEMONSET, NAMESPACE, PLUGIN


def test_uninstall_leaves_the_nodes_as_they_were(cluster, product, second_node, conflists_before):
    product.ensure("ebpf")
    product.uninstall()
    for node in (CONTROL, second_node):
        eventually(lambda node=node: not cluster.node_file(node, PLUGIN).exists(),
                   timeout=PATIENCE)
        assert cluster.node_file(node, CONFLIST).read_bytes() == conflists_before[node]
        assert [path.name for path in cluster.node_file(node, CONFLIST).parent.iterdir()
                if path.name != "10-bridge.conflist"] == []
        left = cluster.in_node(node, "find", "/sys/fs/bpf", "/run", "-maxdepth", "1",
                               "-mindepth", "1", "-name", "fsm*").stdout
        assert left == "", f"on {node}"


def test_nothing_of_it_is_in_the_cluster(cluster, product):  # pylint: disable=unused-argument
    for kind in ("clusterroles", "clusterrolebindings"):
        names = [item["metadata"]["name"] for item in cluster.get(kind)["items"]]
        assert DAEMONSET not in names
    assert cluster.kubectl("get", "namespace", NAMESPACE, check=False).returncode != 0


def test_pods_talk_directly_again(cluster, product, veterans):  # pylint: disable=unused-argument
    answer = eventually(lambda: request(cluster, "client", "server"))
    assert answer.seen == cluster.addresses("client")[0]


def test_logs_hold_no_error_without_a_cause(product):
    complaints = product.unexpected_complaints()
    assert complaints == [], "\n".join(complaints)


def test_cluster_leaves_nothing_on_the_machine(cluster, machine_before):
    cluster.down()

    def nothing_left():
        leftover = [line for line in cluster.snapshot() if line not in machine_before]
        assert leftover == [], "\n".join(leftover)
        return True

    eventually(nothing_left)  # The kernel removes namespaces a moment after their last process.
