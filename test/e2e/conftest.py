import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from harness import programs  # noqa: E402
from podman_node import PodmanNode  # noqa: E402


def pytest_configure():
    programs.require()


@pytest.fixture(scope="session", params=["sk_lookup", "tc"])
def node(request):
    node = PodmanNode(inbound=request.param)
    try:
        yield node
    finally:
        node.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    node = item.funcargs.get("node")
    if report.failed and node:
        report.sections.append(("log of the interceptor", node.interceptor.log_tail()))


class Pods:
    """Pods of one test, removed after it."""

    def __init__(self, node):
        self._node = node
        self._names = []

    def start(self, name, like, annotations=None, options=()):
        """Starts a pod like one of manifests/demo; returns its address."""
        manifest = self._node.write_manifest(name, like, annotations)
        self._names.append(name)
        self._node.start_pod(manifest, *options)
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
