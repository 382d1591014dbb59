"""Many pods at once: started together, deleted together."""

from applications import RELAY, pod, request
from cluster import PATIENCE
from conftest import CONTROL
from harness.wait import eventually

PODS = 100


def storm(nodes):
    """A sidecar alone is a pod of the mesh, too, and costs the machine half."""
    for number in range(PODS):
        made = pod(f"storm-{number}", RELAY, app="storm", node=nodes[number % len(nodes)])
        made["spec"]["containers"] = made["spec"]["containers"][1:]
        yield made


def test_storm_of_pods(cluster, product, second_node):
    nodes = [CONTROL, second_node]
    quiet = {node: (set(product.pods(node)), product.map_entries(node)) for node in nodes}
    cluster.apply(*storm(nodes))
    try:
        cluster.kubectl("wait", "--for", "condition=Ready", "pod", "--selector", "app=storm",
                        "--timeout", "240s", timeout=300)
        for number in range(PODS):
            assert product.enrolled(nodes[number % 2], f"storm-{number}"), number
        assert request(cluster, "client", "server").ok
    finally:
        cluster.kubectl("delete", "pods", "--selector", "app=storm", "--wait=false")
    cluster.pods_gone("app=storm")
    for node in nodes:
        names, entries = quiet[node]
        eventually(lambda node=node, names=names: set(product.pods(node)) == names,
                   timeout=PATIENCE)
        eventually(lambda node=node, entries=entries: no_more(product.map_entries(node), entries),
                   timeout=PATIENCE)
    assert request(cluster, "client", "server").ok


def no_more(now, before):
    return all(now[name] <= count for name, count in before.items() if "pod" in name)
