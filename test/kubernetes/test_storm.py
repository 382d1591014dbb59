"""Many pods started together, and deleted together."""

from applications import RELAY, pod, request
from cluster import PATIENCE
from conftest import CONTROL
from harness.wait import eventually

PODS = 100


def storm(nodes):
    """A sidecar alone is also a pod of the mesh, and costs half."""
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
        for node in nodes:
            assert missing_in_mesh(product.pods(node), nodes.index(node)) == []
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


def missing_in_mesh(pods, place):
    """Names of the pods on the node of this place that its interceptor has not enrolled."""
    names = [f"storm-{number}" for number in range(place, PODS, 2)]
    return [name for name in names if "acceleration" not in pods.get(f"default/{name}", {})]


def no_more(now, before):
    return all(now[name] <= count for name, count in before.items() if "pod" in name)
