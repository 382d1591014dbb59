"""One cluster for all tests, in the order of ORDER: the state before the install, the data path,
failures, other modes, and last that nothing is left."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
import applications  # noqa: E402
from applications import client, server, service  # noqa: E402
from cluster import HOME, Cluster  # noqa: E402
from harness import programs  # noqa: E402
from images import rename_image  # noqa: E402
from product import IMAGE, NEXT_TAG, TAG, Product  # noqa: E402

ORDER = ["test_install", "test_walk_through", "test_annotations", "test_sidecar_down",
         "test_replacement", "test_rights", "test_second_node", "test_operator",
         "test_departure", "test_reboot", "test_start_cost", "test_storm",
         "test_api_away", "test_modes", "test_uninstall"]
CONTROL = "fsmk8s1"
# Where the runtime looks for the network of pods with the runtime class "bare".
BARE_CHAIN = "/etc/cni/bare.d"


def pytest_configure():
    programs.require()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.index(item.module.__name__))


@pytest.fixture(scope="session")
def machine_before():
    """The state of the machine before the cluster."""
    return Cluster().snapshot()


@pytest.fixture(scope="session")
def images():
    """Stored where every new node loads them."""
    folder = HOME / "images"
    applications.test_image(folder)
    built = folder / f"fsm-interceptor-{TAG}.tar"
    Cluster().run(programs.REPOSITORY / "scripts/build-image.sh", "--name", f"{IMAGE}:{TAG}",
                  "--build", programs.BUILD, "--output", built)
    rename_image(built, folder / f"fsm-interceptor-{NEXT_TAG}.tar", f"{IMAGE}:{NEXT_TAG}")


@pytest.fixture(scope="session")
def cluster(machine_before, images):  # pylint: disable=unused-argument
    cluster = Cluster()
    cluster.down()  # Left by a killed run.
    try:
        cluster.add_node()
        yield cluster
    finally:
        if not os.environ.get("FSM_K8S_KEEP"):
            cluster.down()


@pytest.fixture(scope="session")
def conflists_before(cluster):
    """{node: its CNI configuration before the product changed it}."""
    return {node: cluster.node_file(node, "/etc/cni/net.d/10-bridge.conflist").read_bytes()
            for node in cluster.nodes}


@pytest.fixture(scope="session")
def veterans(cluster):
    """A client and a server that ran before the install; other tests use them, too."""
    cluster.apply(client("client"), server("server"), service("server"))
    cluster.wait_ready("client", "server")
    return "client", "server"


@pytest.fixture(scope="session")
def product(cluster, conflists_before, veterans):  # pylint: disable=unused-argument
    product = Product(cluster)
    product.install("ebpf")
    product.wait_enrolled(CONTROL, *veterans)
    return product


@pytest.fixture(scope="session")
def second_node(cluster, product, conflists_before):
    node = cluster.add_node()
    conflists_before[node] = cluster.node_file(
        node, "/etc/cni/net.d/10-bridge.conflist").read_bytes()
    product.wait_rolled_out()
    return node


class Pods:
    """Pods of one test, removed after it."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._names = []

    def start(self, *pods, ready=True):
        self._names += [pod["metadata"]["name"] for pod in pods if pod["kind"] == "Pod"]
        self._cluster.apply(*pods)
        if ready:
            self._cluster.wait_ready(*(pod["metadata"]["name"] for pod in pods
                                       if pod["kind"] == "Pod"))

    def remove_all(self):
        self._cluster.delete_pods(*self._names)


@pytest.fixture
def pods(cluster, product):  # pylint: disable=unused-argument
    pods = Pods(cluster)
    yield pods
    pods.remove_all()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    product = item.funcargs.get("product")
    if report.failed and product:
        report.sections.append(("the interceptors' logs", product.log_tails()))
