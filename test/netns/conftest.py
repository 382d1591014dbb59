"""Fixtures of the end-to-end tests in network namespaces.

Most tests share one node and one interceptor and choose the mechanisms by the annotations of their
pods; a test that kills, restarts or configures an interceptor has its own (`make_interceptor`).
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from harness import programs  # noqa: E402
from harness.interceptor import Interceptor  # noqa: E402
from harness.mesh import IPTABLES, Mesh  # noqa: E402
from harness.node import Node  # noqa: E402


@pytest.fixture(scope="session")
def shared_node():
    node = Node()
    try:
        yield node
    finally:
        node.delete()


@pytest.fixture(scope="session")
def shared_interceptor(shared_node):
    interceptor = Interceptor(shared_node)
    try:
        yield interceptor.start()
    finally:
        interceptor.remove()


@pytest.fixture(scope="session")
def shared_iptables_interceptor(shared_node):
    interceptor = Interceptor(shared_node, trafficInterceptionMode=IPTABLES)
    try:
        yield interceptor.start()
    finally:
        interceptor.remove()


def pytest_configure(config):
    config.addinivalue_line("markers", "also_iptables: holds in mode iptables, too")
    programs.require()


def pytest_generate_tests(metafunc):
    """Runs each test with every mechanism, unless it parametrises them itself."""
    named = any("inbound" in mark.args[0]
                for mark in metafunc.definition.iter_markers("parametrize"))
    if "inbound" in metafunc.fixturenames and not named:
        more = [IPTABLES] if metafunc.definition.get_closest_marker("also_iptables") else []
        metafunc.parametrize("inbound", ["sk_lookup", "tc", *more], indirect=True)


@pytest.fixture
def inbound(request):
    return request.param


@pytest.fixture
def acceleration():
    """The value of the pods' annotation; a test may parametrise it."""
    return "auto"


@pytest.fixture
def mesh(request, shared_node, inbound, acceleration):
    interceptor = request.getfixturevalue("shared_iptables_interceptor" if inbound == IPTABLES
                                          else "shared_interceptor")
    _note_log(request, interceptor)
    if not interceptor.is_running:
        interceptor.start()
        pytest.fail("the interceptor has died in an earlier test; started again")
    mesh = Mesh(shared_node, interceptor, inbound, acceleration)
    try:
        yield mesh
    finally:
        mesh.remove()


@pytest.fixture
def make_mesh(request):
    """Creates meshes, each with its own node and interceptor: make_mesh(inbound, acceleration,
    setting=…)."""
    cleanup = []

    def make(inbound=None, acceleration=None, **settings):
        if inbound == IPTABLES:
            settings.setdefault("trafficInterceptionMode", IPTABLES)
        node = Node()
        cleanup.append(node.delete)
        interceptor = Interceptor(node, **settings)
        cleanup.append(interceptor.remove)
        _note_log(request, interceptor)
        interceptor.start()
        mesh = Mesh(node, interceptor, inbound, acceleration)
        cleanup.append(mesh.remove)
        return mesh

    problems = []
    yield make
    for action in reversed(cleanup):
        try:
            action()
        except Exception as problem:  # pylint: disable=broad-except  # the rest must go too
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


def _note_log(request, interceptor):
    logs = getattr(request.node, "interceptor_logs", [])
    logs.append((interceptor, interceptor.log.stat().st_size))
    request.node.interceptor_logs = logs


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for interceptor, since in getattr(item, "interceptor_logs", []):
            if interceptor.log.exists():
                report.sections.append(("log of the interceptor", interceptor.log_tail(since)))
