"""A real Prometheus that scrapes a real interceptor, with pods of a mesh and an API server, on one node.

Nothing is skipped where a program is missing: scripts/install-packages.sh installs prometheus.
"""

import pathlib
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from harness import programs  # noqa: E402
from harness.api_server import ApiServer  # noqa: E402
from harness.interceptor import Interceptor, manifest  # noqa: E402
from harness.mesh import Mesh  # noqa: E402
from harness.node import Node  # noqa: E402
from harness.place import enter_netns  # noqa: E402
from harness.prometheus import Prometheus  # noqa: E402

METRICS = "127.0.0.1:9091"
MAX_PODS = 6
MAX_CONNECTIONS = 64


def pytest_configure():
    programs.require()


class InterceptorOfCluster(Interceptor):
    """Its pods come from the API server, which is in the node's namespace."""

    def __init__(self, node, directory):
        self.api = in_netns(node.netns.path, lambda: ApiServer(directory))
        super().__init__(node, metricsAddress=METRICS, programStatistics=True, mountBpffs=False,
                         podLookupTimeout="3s", maxPods=MAX_PODS, maxConnections=MAX_CONNECTIONS,
                         podSource={"kubernetes": {"kubeconfig": self.api.kubeconfig(),
                                                   "node": "n1"}})
        self.mount_bpffs()

    def mount_bpffs(self):
        subprocess.run(["mount", "-t", "bpf", "bpf", str(self.bpffs)], check=True)

    def start_api(self):
        in_netns(self.node.netns.path, self.api.start)

    def remove(self):
        if not self.bpffs.is_mount():  # an uninstall needs it
            self.mount_bpffs()
        super().remove()

    def write_manifest(self, pod, **details):
        self.api.put(path_of(pod), manifest(pod.name, **details))

    def remove_manifest(self, pod):
        if path_of(pod) in self.api.objects:
            self.api.delete(path_of(pod))


def path_of(pod):
    return f"/api/v1/namespaces/default/pods/{pod.name}"


def in_netns(path, work):
    """A thread has a namespace of its own; a socket stays in the one where it was made."""
    results = []

    def enter_and_work():
        enter_netns(path)
        results.append(work())

    thread = threading.Thread(target=enter_and_work)
    thread.start()
    thread.join()
    assert results, f"failed in {path}"
    return results[0]


@pytest.fixture(scope="module")
def interceptor(tmp_path_factory):
    node = Node()
    try:
        made = InterceptorOfCluster(node, tmp_path_factory.mktemp("api"))
        try:
            yield made.start()
        finally:
            made.remove()
            made.api.stop()
    finally:
        node.delete()


@pytest.fixture(scope="module")
def mesh(interceptor):
    made = Mesh(interceptor.node, interceptor, "sk_lookup", "full")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def prometheus(interceptor, tmp_path_factory):
    with Prometheus(interceptor.node.place, tmp_path_factory.mktemp("prometheus"), METRICS,
                    [programs.REPOSITORY / "charts/fsm/files/rules.yaml"]) as running:
        yield running
