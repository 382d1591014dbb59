import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from podman_node import PodmanNode  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session", params=["sk_lookup", "tc"])
def node(request):
    node = PodmanNode(inbound=request.param)
    try:
        node.start()
        yield node
    finally:
        node.close()


class Pods:
    """Pods of one test, removed after it."""

    def __init__(self, node):
        self._node = node
        self._names = []

    def start(self, name, like, annotations=None):
        """Starts a pod like one of manifests/demo; returns its address when it serves."""
        manifest = self._node.manifest(name, like, annotations)
        self._names.append(name)
        self._node.start_pod(manifest)
        return self._node.address(name)

    def remove(self, name):
        # The manifest goes last, as in a cluster: DEL may still ask for it.
        self._names.remove(name)
        self._node.remove_pod(name)
        self._node.remove_manifest(name)

    def remove_all(self):
        for name in list(self._names):
            self.remove(name)


@pytest.fixture
def pods(node):
    pods = Pods(node)
    yield pods
    pods.remove_all()
