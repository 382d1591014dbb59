"""A pod's start is not held up by the plugin.

The same node starts sandboxes with the chain as it is and, by a runtime class of its own, with the
chain as it was before the install; in turn, so that what else the machine does meets both. What is
compared is the kubelet's own figure for making a sandbox: from create to Ready, a pod waits up to a
second more for the kubelet's next look at its containers, which hides what is measured here.
"""

import re
import statistics

import pytest

from applications import client
from conftest import BARE_CHAIN, CONTROL
from harness.wait import eventually

PAIRS = 12
LIMIT = 0.050  # seconds


@pytest.fixture(scope="module")
def bare_class(cluster, conflists_before):
    folder = cluster.node_file(CONTROL, BARE_CHAIN)
    folder.mkdir(exist_ok=True)
    (folder / "10-bridge.conflist").write_bytes(conflists_before[CONTROL])
    cluster.apply({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
                   "metadata": {"name": "bare"}, "handler": "bare"})
    yield "bare"
    cluster.kubectl("delete", "runtimeclass", "bare")


def sandbox_seconds(cluster, handler):
    """(how many sandboxes, seconds in all)"""
    metrics = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{CONTROL}/proxy/metrics").stdout
    values = [re.search(rf'^kubelet_run_podsandbox_duration_seconds_{what}'
                        rf'{{runtime_handler="{handler}"}} (\S+)$', metrics, re.MULTILINE)
              for what in ("count", "sum")]
    return [float(value.group(1)) if value else 0.0 for value in values]


def start_one(cluster, name, handler):
    """Seconds for the sandbox of one more pod of the mesh."""
    count, total = sandbox_seconds(cluster, handler)
    extra = {"runtimeClassName": handler} if handler else {}
    cluster.apply(client(name, app="cost", node=CONTROL, **extra))

    def grown():
        new_count, new_total = sandbox_seconds(cluster, handler)
        return [new_total - total] if new_count == count + 1 else None

    return eventually(grown, timeout=30)[0]


def test_plugin_costs_a_sandbox_little(cluster, product, bare_class, record_property):  # pylint: disable=unused-argument
    taken = {"": [], bare_class: []}
    try:
        for number in range(PAIRS):
            for handler in ("", bare_class):
                seconds = start_one(cluster, f"cost-{number}-{handler or 'chain'}", handler)
                taken[handler].append(seconds)
    finally:
        cluster.kubectl("delete", "pods", "--selector", "app=cost", "--wait=false")
    cluster.pods_gone("app=cost")
    with_plugin, without = (statistics.median(taken[handler]) for handler in ("", bare_class))
    record_property("with_plugin", with_plugin)
    record_property("without", without)
    print(f"sandbox, median of {PAIRS}: {with_plugin * 1000:.0f} ms with the plugin, "
          f"{without * 1000:.0f} ms without")
    assert with_plugin - without <= LIMIT, taken
