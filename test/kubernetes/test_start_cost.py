"""The plugin does not hold up a pod's start.

The same node starts sandboxes with the chain as it is and, by a runtime class of its own, with the
chain as it was before the install; in turn, so that what else the machine does meets both. What is
compared is the kubelet's own figure for making a sandbox: from create to Ready, a pod waits up to a
second more for the kubelet's next look at its containers, which hides what is measured here.

The figure is recorded. The limit finds an ADD that waits for something (a pod that is looked up, a lock,
a time-out), not milliseconds: a sandbox takes 100 to 200 ms here, and 50 ms more or less by chance.
"""

import re
import statistics

import pytest

from applications import client
from conftest import BARE_CHAIN, CONTROL
from harness.wait import eventually

PAIRS = 10
LIMIT = 0.5  # seconds


@pytest.fixture(scope="module")
def bare_class(cluster, conflists_before):
    folder = cluster.node_file(CONTROL, BARE_CHAIN)
    folder.mkdir(exist_ok=True)
    (folder / "10-bridge.conflist").write_bytes(conflists_before[CONTROL])
    cluster.apply({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
                   "metadata": {"name": "bare"}, "handler": "bare"})
    yield "bare"
    cluster.kubectl("delete", "runtimeclass", "bare")


def sandboxes(cluster):
    """(number of sandboxes that the kubelet has created, seconds in total)"""
    metrics = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{CONTROL}/proxy/metrics").stdout
    return [float(re.search(rf'^kubelet_runtime_operations_duration_seconds_{what}'
                            r'{operation_type="run_podsandbox"} (\S+)$', metrics,
                            re.MULTILINE).group(1)) for what in ("count", "sum")]


def start_one(cluster, name, handler):
    """Seconds for the sandbox of one more pod of the mesh; no other pod starts meanwhile."""
    count, total = sandboxes(cluster)
    extra = {"runtimeClassName": handler} if handler else {}
    cluster.apply(client(name, app="cost", node=CONTROL, **extra))

    def grown():
        new_count, new_total = sandboxes(cluster)
        return [new_total - total] if new_count == count + 1 else None

    # The query takes processor time, which the sandbox needs.
    return eventually(grown, timeout=30, pause=0.3)[0]


def test_plugin_does_not_hold_up_a_sandbox(cluster, product, bare_class,  # pylint: disable=unused-argument
                                       record_testsuite_property):
    taken = {"": [], bare_class: []}
    try:
        for number in range(PAIRS):
            for handler in ("", bare_class):
                seconds = start_one(cluster, f"cost-{number}-{handler or 'chain'}", handler)
                taken[handler].append(seconds)
    finally:
        cluster.kubectl("delete", "pods", "--selector", "app=cost", "--wait=false")
    cluster.pods_gone("app=cost")
    differences = [chain - bare for chain, bare in zip(taken[""], taken[bare_class])]
    difference = statistics.median(differences)
    record_testsuite_property("sandbox: ms more with the plugin", round(difference * 1000))
    record_testsuite_property("sandbox: ms without it",
                              round(statistics.median(taken[bare_class]) * 1000))
    assert difference <= LIMIT, [round(each * 1000) for each in differences]
