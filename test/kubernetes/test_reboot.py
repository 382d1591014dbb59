"""A node that boots with the CNI configuration of the cluster's network: without our entry."""

import copy
import json

import pytest

from applications import OWN_SOURCE, client, request
from cluster import NAMESPACE, PATIENCE
from harness.wait import eventually
from product import CONFLIST, DAEMONSET

TAINT = "fsm.flomesh.io/not-ready"
APP = "phoenix"


@pytest.fixture(name="phoenix", scope="module")
def phoenix_fixture(cluster, product, second_node):
    """A pod of the mesh on that node that is recreated whenever it is removed. Returns its name there."""
    template = client(APP)
    cluster.apply({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": APP, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": APP}}, "template": {
            "metadata": {"labels": {"app": APP}},
            "spec": {**template["spec"], "nodeSelector": {"kubernetes.io/hostname": second_node}}}},
    })

    def name():
        found = cluster.get("pods", "--selector", f"app={APP}")["items"]
        alive = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        return alive[0]["metadata"]["name"] if len(alive) == 1 else None

    def ready():
        found = name()
        conditions = cluster.get("pod", found)["status"].get("conditions", []) if found else []
        return found if {"type": "Ready", "status": "True"}.items() <= {
            key: value for each in conditions if each["type"] == "Ready"
            for key, value in each.items()}.items() else None

    eventually(ready, timeout=PATIENCE)
    product.wait_enrolled(second_node, name())
    yield ready
    cluster.kubectl("delete", "deployment", APP)
    cluster.pods_gone(f"app={APP}")


def reboot(cluster, node, conflist, between=lambda: None):
    cluster.power_off(node)
    cluster.node_file(node, CONFLIST).write_bytes(conflist)
    between()
    cluster.power_on(node)


def test_with_the_taint_no_pod_starts_around_the_mesh(cluster, product, second_node, phoenix,
                                                      conflists_before):
    product.upgrade(f"fsm.fsmInterceptor.nodeTaint={TAINT}")
    before = phoenix()
    reboot(cluster, second_node, conflists_before[second_node],
           lambda: cluster.kubectl("taint", "node", second_node, f"{TAINT}=:NoExecute"))
    eventually(lambda: TAINT not in cluster.taints(second_node), timeout=PATIENCE)
    assert product.is_in_chain(second_node)
    name = eventually(phoenix, timeout=PATIENCE)
    assert name != before, "it was evicted"
    found = product.enrolled(second_node, name)
    assert found and not found.get("foundRunning"), "the runtime asked for it"
    assert eventually(lambda: request(cluster, name, "server")).seen == OWN_SOURCE
    assert product.ask(second_node, "status")["problems"] == []


def test_without_the_taint_the_pods_are_found(cluster, product, second_node, phoenix, conflists_before):
    before = phoenix()
    reboot(cluster, second_node, conflists_before[second_node])
    eventually(lambda: product.is_in_chain(second_node), timeout=PATIENCE)
    eventually(lambda: product.enrolled(second_node, before), timeout=PATIENCE)
    assert eventually(phoenix, timeout=PATIENCE) == before


def test_without_the_right_the_taint_stays_and_the_status_says_why(cluster, product, second_node):
    """The problem ends as soon as the right is granted again."""
    product.expect(f"take taint {TAINT} off node")
    role = cluster.get("clusterrole", DAEMONSET)
    del role["metadata"]["resourceVersion"]
    narrowed = copy.deepcopy(role)
    rule, = (each for each in narrowed["rules"] if each["resources"] == ["nodes"])
    rule["verbs"].remove("patch")
    cluster.kubectl("replace", "--filename", "-", stdin=json.dumps(narrowed))
    try:
        cluster.kubectl("taint", "node", second_node, f"{TAINT}=:NoSchedule")
        product.replace_pod(second_node)
        eventually(lambda: [each for each in product.ask(second_node, "status")["problems"]
                            if "get and patch for nodes" in str(each)], timeout=PATIENCE)
        assert TAINT in cluster.taints(second_node)
    finally:
        cluster.kubectl("replace", "--filename", "-", stdin=json.dumps(role))
    eventually(lambda: TAINT not in cluster.taints(second_node), timeout=PATIENCE)
